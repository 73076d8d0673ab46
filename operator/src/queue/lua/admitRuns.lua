-- Moves pending runs to the holders, each with its next slot, as far as the limits leave room:
--   - never more in a lane than its queue's limit, never more in all than the namespace's, and none of a
--     paused queue but those that resume;
--   - never more than ARGV[5] in one call, and of a queue named at the end no more than is said there: a lane
--     of a queue with no more keeps its place in `ready`, and is passed over;
--   - runs that resume have their containers: for them only the limits count, and they are first;
--   - each ready lane gives one run in turn, its first by order (enqueued time less priority);
--   - a lane that is paused, empty or at its limit is inadmissible: it leaves `ready` and
--     costs nothing until it is woken.
-- O(log n) for each of at most ARGV[4] steps; a step admits a run or takes an inadmissible lane out. At most
-- 1,000 lanes are passed over.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 steps, at most 100  5 the most to admit
--          6 the place in `ready` to begin at, 1 the first  then for each queue: queue, the most to admit
-- Returns  {seq, the place to go on at if there may be more to admit now else 0, then for each run: uid,
--          name, slot, queue}; FENCED, EPOCH
local refused = checkFence(true)
if refused then return refused end
local maxPassed = 1000
local room = limitOf("") - (redis.call("ZCARD", holders) - 1)
local most = tonumber(ARGV[5])
local steps = math.min(tonumber(ARGV[4]), 100)
local at = tonumber(ARGV[6])
local left = {}
for i = 7, #ARGV, 2 do left[ARGV[i]] = tonumber(ARGV[i + 1]) end
local reply = { 0, 0 }
local passed = 0
local isOver = false
while steps > 0 and passed < maxPassed and room >= 1 do
  local lane, turn = unpack(redis.call("ZRANGE", ready, at, at, "WITHSCORES"))
  -- Below 0 are the lanes that are ahead.
  isOver = not lane or (most < 1 and tonumber(turn) > 0)
  if isOver then break end
  local queue = queueOf(lane)
  local from, to = rangeOf(lane)
  local first, second = unpack(redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 2))
  local ahead = first and aheadOf(first)
  if not ahead and (most < 1 or (left[queue] and left[queue] < 1)) then
    at = at + 1
    passed = passed + 1
  else
    steps = steps - 1
    local limit, paused = limitOf(queue)
    local running = runningOf(lane)
    if not first or (paused and not ahead) or running >= limit then
      redis.call("ZREM", ready, lane)
    else
      local uid = string.match(first, "[^\n]*$")
      local value = takePending(uid)
      if not value then return redis.error_reply("EPOCH a pending run is unknown") end
      local slot, name = string.match(value, "^%d+\n(%d+)\n([^\n]*)\n")
      slot = string.format("%d", tonumber(slot) + 1)
      local id = uid .. "/" .. slot
      redis.call("ZADD", holders, 0, lane .. "\n" .. id)
      redis.call("HSET", slots, id, name .. "\n" .. lane)
      room = room - 1
      if not ahead then
        most = most - 1
        if left[queue] then left[queue] = left[queue] - 1 end
      end
      for _, part in ipairs({ uid, name, slot, queue }) do reply[#reply + 1] = part end
      if second and running + 1 < limit then toTurn(lane, second) else redis.call("ZREM", ready, lane) end
    end
  end
end
reply[1] = nextSequence()
if room >= 1 and not isOver and redis.call("ZCARD", ready) > at then reply[2] = at end
return reply
