-- Returns whether exactly this acquisition is held. Refuses to answer in an epoch that is not the caller's.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 uid/slot
-- Returns  {seq, 1 or 0}; FENCED, EPOCH
local refused = checkFence(true)
if refused then return refused end
return { nextSequence(), redis.call("HEXISTS", slots, ARGV[4]) }
