-- Puts slots back that the cluster's resources say are held: while an epoch is filled, and when a sweep finds one
-- missing. A firm holder is added whatever the limits say, since its container exists. A tentative one (admitted, no
-- Job yet) only where the limits leave room: otherwise its confirmation fails and it queues again.
-- A pending entry of an older acquisition of the same run goes.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each holder, at most 100: uid, name, slot, line, 1 if tentative else 0
-- Returns  {seq, added}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local namespaceLimit = limitOf("")
local added = 0
for i = 4, #ARGV, 5 do
  local uid, name, slot, line, tentative = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] == "1"
  local id = uid .. "/" .. slot
  local room = not tentative
    or (runningOf(line) < limitOf(queueOf(line)) and redis.call("ZCARD", holders) - 1 < namespaceLimit)
  if room and redis.call("HEXISTS", slots, id) == 0 then
    redis.call("ZADD", holders, 0, line .. "\n" .. id)
    redis.call("HSET", slots, id, name .. "\n" .. line)
    local value = redis.call("HGET", runs, uid)
    if value and tonumber(string.match(value, "^%d+\n(%d+)")) < tonumber(slot) then takePending(uid) end
    added = added + 1
  end
end
return { nextSequence(), added }
