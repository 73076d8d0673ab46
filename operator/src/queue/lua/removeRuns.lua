-- Removes pending runs. A slot that such a run holds stays until its release.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  then uids, at most 100
-- Returns  {seq, removed}; FENCED, EPOCH
local refused = checkFence(false)
if refused then return refused end
local removed = 0
for i = 4, #ARGV do
  if takePending(ARGV[i]) then removed = removed + 1 end
end
return { nextSequence(), removed }
