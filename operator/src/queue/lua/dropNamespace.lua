-- Deletes all keys of a namespace that was deleted.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 unused  3 unused
-- Returns  {0}; FENCED
local refused = checkTerm()
if refused then return refused end
redis.call("UNLINK", unpack(KEYS))
return { 0 }
