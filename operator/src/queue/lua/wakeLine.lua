-- Put before every script, after checkFence.lua: what a line has, and its place among the ready ones.
--
-- Invariant: a line that has pending runs and room is in `ready`. One that has not may be in it too, until
-- admitRuns comes to it and parks it (takes it out). A line enters at the tail, and goes there after each admission:
-- each ready line has its turn once before any has it twice.

local function queueOf(line)
  return string.match(line, "^[^\n]*")
end

-- Bounds of all members below a queue or a line. \255 is in no UTF-8 text.
local function rangeOf(prefix)
  return "[" .. prefix .. "\n", "(" .. prefix .. "\n\255"
end

-- Limit (math.huge: none) and whether it is paused. "" is the namespace's.
local function limitOf(queue)
  local limit, paused = string.match(redis.call("HGET", limits, queue) or "- 0", "^(%S+) (%d)$")
  return tonumber(limit) or math.huge, paused == "1"
end

local function runningOf(line)
  return redis.call("ZLEXCOUNT", holders, rangeOf(line))
end

local function hasPending(line)
  local from, to = rangeOf(line)
  return redis.call("ZRANGEBYLEX", pending, from, to, "LIMIT", 0, 1)[1] ~= nil
end

local function toTail(line)
  local last = redis.call("ZREVRANGE", ready, 0, 0, "WITHSCORES")
  redis.call("ZADD", ready, tonumber(last[2]) + 1, line)
end

-- Makes the line ready if it has something pending and room for it.
local function wakeLine(line)
  if redis.call("ZSCORE", ready, line) or not hasPending(line) then return end
  local limit, paused = limitOf(queueOf(line))
  if not paused and runningOf(line) < limit then toTail(line) end
end

-- Takes a pending run away; returns what `runs` said of it, or nil.
local function takePending(uid)
  local value = redis.call("HGET", runs, uid)
  if not value then return end
  local order, line = string.match(value, "^(%d+)\n%d+\n[^\n]*\n(.*)$")
  redis.call("ZREM", pending, line .. "\n" .. order .. "\n" .. uid)
  redis.call("HDEL", runs, uid)
  return value
end
