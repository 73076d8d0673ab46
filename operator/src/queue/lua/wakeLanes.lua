-- Wakes a queue's admissible lanes after its limit rose or it was resumed: at most 100 lanes a call, in their
-- order.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 queue  5 the lane to continue after, "" to begin
-- Returns  {seq, lane to continue after, "" at the end}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local maxLanes = 100
local from, to = rangeOf(ARGV[4])
local lane = ARGV[5]
for _ = 1, maxLanes do
  if lane ~= "" then from = "(" .. lane .. "\n\255" end
  local member = redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 1)[1]
  if not member then return { nextSequence(), "" } end
  lane = string.match(member, "^([^\n]*\n[^\n]*)\n")
  wakeLane(lane)
end
return { nextSequence(), lane }
