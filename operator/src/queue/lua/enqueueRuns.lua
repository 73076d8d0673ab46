-- Makes runs pending. A run that already holds the acquisition it asks for is left alone; one that is pending takes
-- its new place if it has another, so that a repetition changes nothing.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each run, at most 100: uid, name, last slot, order (16 digits), line
-- Returns  {seq, changed}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local changed = 0
for i = 4, #ARGV, 5 do
  local uid, name, slot, order, line = unpack(ARGV, i, i + 4)
  local value = table.concat({ order, slot, name, line }, "\n")
  local id = uid .. "/" .. string.format("%d", tonumber(slot) + 1)
  if redis.call("HEXISTS", slots, id) == 0 and redis.call("HGET", runs, uid) ~= value then
    takePending(uid)
    redis.call("ZADD", pending, 0, line .. "\n" .. order .. "\n" .. uid)
    redis.call("HSET", runs, uid, value)
    wakeLine(line)
    changed = changed + 1
  end
end
return { nextSequence(), changed }
