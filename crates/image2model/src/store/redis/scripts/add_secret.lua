#!lua flags=allow-oom
-- Adds a secret as the newest and forgets those that are valid no more.
-- Writes: KEYS 1 secrets (sorted set by ms)
-- ARGV: the secret, the time in ms, how many are valid
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local since = tonumber(ARGV[2])
if newest[2] then
    since = math.max(since, tonumber(newest[2]) + 1)
end
redis.call('ZADD', KEYS[1], since, ARGV[1])
local over = redis.call('ZREVRANGE', KEYS[1], ARGV[3], -1)
for _, secret in ipairs(over) do
    redis.call('ZREM', KEYS[1], secret)
end
