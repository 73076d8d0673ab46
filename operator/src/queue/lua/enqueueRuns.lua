-- Makes runs pending. A run that holds the acquisition it asks for already is left alone; a pending one is
-- moved if its order or lane has changed. So a repetition changes nothing.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each run, at most 100: uid, name, last slot, order, lane
-- Returns  {seq, changed}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local changed = 0
for i = 4, #ARGV, 5 do
  local uid, name, slot, order, lane = unpack(ARGV, i, i + 4)
  local value = table.concat({ order, slot, name, lane }, "\n")
  local id = uid .. "/" .. string.format("%d", tonumber(slot) + 1)
  if redis.call("HEXISTS", slots, id) == 0 and redis.call("HGET", runs, uid) ~= value then
    takePending(uid)
    redis.call("ZADD", pending, 0, lane .. "\n" .. order .. "\n" .. uid)
    redis.call("HSET", runs, uid, value)
    wakeLane(lane)
    changed = changed + 1
  end
end
return { nextSequence(), changed }
