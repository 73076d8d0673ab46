-- Sets limits of queues or of the namespace. Below what runs now, nothing is admitted until enough has ended.
-- Lanes that have room after a change are woken by wakeLanes, which the caller repeats until its end.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each limit, at most 100: queue ("" the namespace),
--          limit (- none), 1 if paused else 0
-- Returns  {seq}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
for i = 4, #ARGV, 3 do
  if ARGV[i] ~= "" and ARGV[i + 1] == "-" and ARGV[i + 2] == "0" then
    redis.call("HDEL", limits, ARGV[i])
  else
    redis.call("HSET", limits, ARGV[i], ARGV[i + 1] .. " " .. ARGV[i + 2])
  end
end
return { nextSequence() }
