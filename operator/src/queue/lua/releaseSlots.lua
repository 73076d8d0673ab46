-- Releases exactly these acquisitions; one that is not held frees nothing. Wakes the lanes that have room
-- again.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then uid/slot, at most 100
-- Returns  {seq, released}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local released = 0
for i = 4, #ARGV do
  local value = redis.call("HGET", slots, ARGV[i])
  if value then
    local lane = string.match(value, "^[^\n]*\n(.*)$")
    redis.call("HDEL", slots, ARGV[i])
    redis.call("ZREM", holders, lane .. "\n" .. ARGV[i])
    wakeLane(lane)
    released = released + 1
  end
end
return { nextSequence(), released }
