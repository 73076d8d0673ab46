-- Wakes a queue's lines that have pending runs and room, after its limit rose or it was resumed. Goes over a bounded
-- number of lines a call, in their order.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 queue  5 the line to go on behind, "" to begin
-- Returns  {seq, line to go on behind, "" at the end}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local maxLines = 100
local from, to = rangeOf(ARGV[4])
local line = ARGV[5]
for _ = 1, maxLines do
  if line ~= "" then from = "(" .. line .. "\n\255" end
  local member = redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 1)[1]
  if not member then return { nextSequence(), "" } end
  line = string.match(member, "^([^\n]*\n[^\n]*)\n")
  wakeLine(line)
end
return { nextSequence(), line }
