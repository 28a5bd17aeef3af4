-- KEYS[1] as in tell_viewers. Answers the sum over all nodes that showed life lately.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sum = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  local count, until_ms = string.match(value, '^(%d+):(%d+)$')
  if tonumber(until_ms) > now then
    sum = sum + tonumber(count)
  end
end
return sum
