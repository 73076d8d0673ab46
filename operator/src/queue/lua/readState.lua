-- Counts, for metrics and the status of queues. O(log n) for each queue.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then queues, at most 100
-- Returns  {seq, pending, holders, ready lines, then for each queue: running, pending}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local function members(key)
  return redis.call("ZCARD", key) - 1
end
local reply = { nextSequence(), members(pending), members(holders), members(ready) }
for i = 4, #ARGV do
  local from, to = rangeOf(ARGV[i])
  reply[#reply + 1] = redis.call("ZLEXCOUNT", holders, from, to)
  reply[#reply + 1] = redis.call("ZLEXCOUNT", pending, from, to)
end
return reply
