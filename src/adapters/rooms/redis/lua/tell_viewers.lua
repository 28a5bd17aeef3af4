-- KEYS[1] hash: node -> 'viewers:ms when that is too old'
-- Arguments: [1] node, [2] viewers, [3] ms until that is too old, [4] '1' to leave a count that is there as it is
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local viewers = ARGV[2]
for i = 1, #all, 2 do
  local count, until_ms = string.match(all[i + 1], '^(%d+):(%d+)$')
  if all[i] == ARGV[1] then
    if ARGV[4] == '1' then viewers = count end
  elseif tonumber(until_ms) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
if viewers == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  local too_old = string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('HSET', KEYS[1], ARGV[1], viewers .. ':' .. too_old)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
