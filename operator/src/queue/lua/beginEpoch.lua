-- Begins a new, empty epoch in state loading: from now on every other term and epoch is refused, and nothing
-- is admitted or confirmed until switchEpoch.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 the new epoch  3 unused
-- Returns  {seq}; FENCED
local refused = checkTerm()
if refused then return refused end
redis.call("UNLINK", unpack(KEYS))
redis.call("HSET", meta, "term", ARGV[1], "epoch", ARGV[2], "seq", 1, "state", "loading")
redis.call("HSET", limits, "", "- 0")
redis.call("ZADD", pending, 0, "")
redis.call("HSET", runs, "", "")
redis.call("ZADD", ready, "-inf", "")
redis.call("ZADD", holders, 0, "")
redis.call("HSET", slots, "", "")
return { 1 }
