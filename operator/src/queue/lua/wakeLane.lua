-- Prepended to every script, after checkFence.lua: what a lane contains, and its turn in `ready`.
--
-- Invariant: an admissible lane (pending runs, and room for one) is in `ready`. An inadmissible one may be in
-- it until admitRuns comes to it and takes it out. A lane enters at the tail, and goes there after each
-- admission: each ready lane has its turn once before any has it twice. Lanes whose first run resumes are
-- before all others, by the order of that run: their scores are below 0.

local function queueOf(lane)
  return string.match(lane, "^[^\n]*")
end

-- Bounds of all members below a queue or a lane. \255 is in no UTF-8 text.
local function rangeOf(prefix)
  return "[" .. prefix .. "\n", "(" .. prefix .. "\n\255"
end

-- Limit (math.huge: none) and whether it is paused. "" is the namespace's.
local function limitOf(queue)
  local limit, paused = string.match(redis.call("HGET", limits, queue) or "- 0", "^(%S+) (%d)$")
  return tonumber(limit) or math.huge, paused == "1"
end

local function runningOf(lane)
  return redis.call("ZLEXCOUNT", holders, rangeOf(lane))
end

-- Of a member of `pending`: the place of its lane in `ready` if it is a run that resumes, else nil.
local function aheadOf(member)
  local order = string.match(member, "\n0(%d+)\n[^\n]*$")
  return order and tonumber(order) - 1e15
end

-- `first`: the lane's first member of `pending`.
local function toTurn(lane, first)
  local last = redis.call("ZREVRANGE", ready, 0, 0, "WITHSCORES")
  redis.call("ZADD", ready, aheadOf(first) or math.max(tonumber(last[2]), 0) + 1, lane)
end

-- Makes the lane ready if it is admissible.
local function wakeLane(lane)
  local from, to = rangeOf(lane)
  local first = redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 1)[1]
  local ahead = first and aheadOf(first)
  if not first or (redis.call("ZSCORE", ready, lane) and not ahead) then return end
  local limit, paused = limitOf(queueOf(lane))
  if (ahead or not paused) and runningOf(lane) < limit then toTurn(lane, first) end
end

-- Removes a pending run; returns its value in `runs`, or nil.
local function takePending(uid)
  local value = redis.call("HGET", runs, uid)
  if not value then return end
  local order, lane = string.match(value, "^(%d+)\n%d+\n[^\n]*\n(.*)$")
  redis.call("ZREM", pending, lane .. "\n" .. order .. "\n" .. uid)
  redis.call("HDEL", runs, uid)
  return value
end
