-- Lists the slots that are held, for the sweeper, one page at a time.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 the member to continue after, "" to begin
-- Returns  {seq, member to continue after ("" at the end), then for each holder: uid/slot, name};
--          FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local page = 200
local members = redis.call("ZRANGEBYLEX", holders, "(" .. ARGV[4], "+", "LIMIT", 0, page)
local reply = { nextSequence(), #members == page and members[page] or "" }
for _, member in ipairs(members) do
  local id = string.match(member, "[^\n]*$")
  local value = redis.call("HGET", slots, id)
  if not value then return redis.error_reply("EPOCH a holder is unknown") end
  reply[#reply + 1] = id
  reply[#reply + 1] = string.match(value, "^[^\n]*")
end
return reply
