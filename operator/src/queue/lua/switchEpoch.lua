-- Opens an epoch that is loaded: the one write after which runs are admitted and slots confirmed.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq
-- Returns  {seq}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
redis.call("HSET", meta, "state", "open")
return { nextSequence() }
