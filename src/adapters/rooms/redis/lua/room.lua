-- What every script that changes a room has in common. A room's keys:
--   KEYS[1] hash: epoch, seq, at (both of the newest event), ended
--   KEYS[2] stream: the events of the epoch, ids are their sequence numbers
--   KEYS[3] hash: client's key -> first event    KEYS[4] sorted set: client's key -> time of that event
-- Arguments: [1] channel, [2] epoch, [3] highest sequence number known to the caller, [4] ms to keep a silent room
local function digits(number)
  return string.format('%.0f', number)
end

local function line(seq, at, event)
  return digits(seq) .. '\n' .. digits(at) .. '\n' .. ARGV[2] .. '\n' .. event
end

local function keep_for(ms)
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ms)
  end
end

-- Sequence number and time of the newest event and whether it was the end. Another epoch than the room's begins
-- it. A server that lost a room's last events does not give their numbers again while a caller remembers them.
local function room()
  local state = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'at', 'ended')
  local seq, at, known = tonumber(state[2] or '0'), tonumber(state[3] or '0'), tonumber(ARGV[3])
  if state[1] == ARGV[2] and seq >= known then
    return seq, at, state[4] == '1'
  end
  local ended = state[1] == ARGV[2] and state[4] == '1'
  if state[1] ~= ARGV[2] then
    redis.call('UNLINK', unpack(KEYS))
    seq, at = 0, 0
  end
  seq = math.max(seq, known)
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'seq', digits(seq), 'at', digits(at))
  redis.call('PUBLISH', ARGV[1], line(seq, at, ''))
  return seq, at, ended
end
