-- Sets the limit of a queue or of the namespace. Lowered below what runs it admits nothing until less runs; what is
-- parked and now has room is woken by wakeLines, which the caller repeats.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then for each limit, at most 100: queue ("" the namespace), limit (- none),
--          1 if paused else 0
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
