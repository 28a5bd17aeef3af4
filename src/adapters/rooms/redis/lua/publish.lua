-- Further arguments: [5] now in ms, [6] the event, [7] the client's key or nothing, [8] '1' for the end,
-- [9] ms that a key is recognised, [10] most keys, [11] most events, [12] ms to keep a room after its end.
-- Answers the event as it was sequenced and 1 when it was there before; nothing after the end.
local seq, at, ended = room()
local now, key, recognised = tonumber(ARGV[5]), ARGV[7], tonumber(ARGV[9])
if key ~= '' then
  local first = redis.call('HGET', KEYS[3], key)
  if first and now - tonumber(redis.call('ZSCORE', KEYS[4], key) or '0') <= recognised then
    return { first, 1 }
  end
end
if ended then
  return false
end
seq, at = seq + 1, math.max(at, now)
local event = line(seq, at, ARGV[6])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[11], digits(seq) .. '-0', 'e', event)
redis.call('HSET', KEYS[1], 'seq', digits(seq), 'at', digits(at))
if key ~= '' then
  local old = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. digits(at - recognised), 'LIMIT', 0, 100)
  if #old == 0 and redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[10]) then
    old = redis.call('ZRANGE', KEYS[4], 0, 0)
  end
  if #old > 0 then
    redis.call('HDEL', KEYS[3], unpack(old))
    redis.call('ZREM', KEYS[4], unpack(old))
  end
  redis.call('HSET', KEYS[3], key, event)
  redis.call('ZADD', KEYS[4], digits(at), key)
end
redis.call('PUBLISH', ARGV[1], event)
if ARGV[8] == '1' then
  redis.call('HSET', KEYS[1], 'ended', '1')
  keep_for(ARGV[12])
else
  keep_for(ARGV[4])
end
return { event, 0 }
