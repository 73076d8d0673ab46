-- Moves pending runs to the holders, each with its next slot, as far as the limits leave room:
--   - never more in a lane than its queue's limit, never more in all than the namespace's, and none of a
--     paused queue;
--   - each ready lane gives one run in turn, its first by order (enqueued time less priority);
--   - a lane that is paused, empty or at its limit is inadmissible: it leaves `ready` and
--     costs nothing until it is woken.
-- O(log n) for each of at most ARGV[4] steps; a step admits a run or takes an inadmissible lane out.
-- KEYS     the namespace's seven (checkFence.lua)
-- ARGV     1 term  2 epoch  3 seq  4 steps, at most 100
-- Returns  {seq, 1 if there may be more to admit now else 0, then for each run: uid, name,
--          slot}; FENCED, EPOCH
local refused = checkFence(true)
if refused then return refused end
local room = limitOf("") - (redis.call("ZCARD", holders) - 1)
local reply = { 0, 0 }
local steps = math.min(tonumber(ARGV[4]), 100)
local lane
for _ = 1, steps do
  lane = redis.call("ZRANGE", ready, 1, 1)[1]
  if not lane or room < 1 then break end
  local limit, paused = limitOf(queueOf(lane))
  local running = runningOf(lane)
  local from, to = rangeOf(lane)
  local first, second = unpack(redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 2))
  if not first or paused or running >= limit then
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
    for _, part in ipairs({ uid, name, slot }) do reply[#reply + 1] = part end
    if second and running + 1 < limit then toTail(lane) else redis.call("ZREM", ready, lane) end
  end
end
reply[1] = nextSequence()
if room >= 1 and redis.call("ZCARD", ready) > 1 then reply[2] = 1 end
return reply
