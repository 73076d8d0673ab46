-- Prepended to every script: names for the keys, and the fence that each script checks first.
--
-- KEYS, the same seven for every script, all of one namespace:
--   meta     hash   term, epoch, seq, state (loading or open)
--   limits   hash   queue -> "<limit or -> <1 if paused, else 0>"; "" is the namespace's
--   pending  zset   "<queue>\n<key>\n<order>\n<uid>", all of score 0: sorted by lane, then order
--   runs     hash   uid -> "<order>\n<slot>\n<name>\n<queue>\n<key>" of each pending run
--   ready    zset   "<queue>\n<key>" of the lanes that may have something to admit, by whose turn it is
--   holders  zset   "<queue>\n<key>\n<uid>/<slot>", all of score 0: the slots, by lane
--   slots    hash   "<uid>/<slot>" -> "<name>\n<queue>\n<key>" of each holder
-- A lane is a queue, or one copy of it for a concurrencyKey. Each key has a sentinel member ("") from the
-- beginning of its epoch, so that a key that Redis lost or evicted is noticed.
--
-- ARGV[1..3] of every script: the leader's term, its epoch, the last sequence that it has seen.
-- Refusals: "FENCED ..." a younger term leads, for good; "EPOCH ..." Redis has lost or replaced what the
-- caller knows: rebuild.
local meta, limits, pending, runs, ready, holders, slots = unpack(KEYS)

local function checkTerm()
  local term = redis.call("HGET", meta, "term")
  if term and tonumber(term) > tonumber(ARGV[1]) then
    return redis.error_reply("FENCED term " .. ARGV[1] .. " is over, term " .. term .. " leads")
  end
end

-- Refuses (returns an error reply) or returns nil. openOnly: refuses as well while the epoch is loading.
local function checkFence(openOnly)
  local refused = checkTerm()
  if refused then return refused end
  if redis.call("EXISTS", unpack(KEYS)) ~= #KEYS then return redis.error_reply("EPOCH keys are missing") end
  local term, epoch, seq, state = unpack(redis.call("HMGET", meta, "term", "epoch", "seq", "state"))
  if tonumber(term) ~= tonumber(ARGV[1]) or epoch ~= ARGV[2] then
    return redis.error_reply("EPOCH another epoch")
  end
  if tonumber(seq) < tonumber(ARGV[3]) then
    return redis.error_reply("EPOCH sequence fell from " .. ARGV[3] .. " to " .. seq)
  end
  if openOnly and state ~= "open" then return redis.error_reply("EPOCH not open yet") end
end

local function nextSequence()
  return redis.call("HINCRBY", meta, "seq", 1)
end
