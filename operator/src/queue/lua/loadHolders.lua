-- Adds slots that runs hold by their status: while an epoch is loading, and when a sweep finds one missing. A
-- firm holder is added whatever the limits say, since its container exists. A tentative one (admitted, no Job
-- yet) is added only where the limits leave room: otherwise its confirmation fails and the run queues again.
-- Removes the pending entry of an older acquisition of the same run.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each holder, at most 100: uid, name, slot, lane,
--          1 if tentative, else 0
-- Returns  {seq, added}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local namespaceLimit = limitOf("")
local added = 0
for i = 4, #ARGV, 5 do
  local uid, name, slot, lane, tentative = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] == "1"
  local id = uid .. "/" .. slot
  local room = not tentative
    or (runningOf(lane) < limitOf(queueOf(lane)) and redis.call("ZCARD", holders) - 1 < namespaceLimit)
  if room and redis.call("HEXISTS", slots, id) == 0 then
    redis.call("ZADD", holders, 0, lane .. "\n" .. id)
    redis.call("HSET", slots, id, name .. "\n" .. lane)
    local value = redis.call("HGET", runs, uid)
    if value and tonumber(string.match(value, "^%d+\n(%d+)")) < tonumber(slot) then takePending(uid) end
    added = added + 1
  end
end
return { nextSequence(), added }
