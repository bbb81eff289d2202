#!lua flags=allow-oom
-- Lets some more through if every window does (access/rate.rs has the arithmetic), and counts them in all or in none.
-- Writes: KEYS 1 rate (hash: period in us -> when that window is whole again, us)
-- ARGV: the time in ms or '' for the server's, how many, then by window: period in us, us that one takes, limit
-- Answers: 1 or 0, the time in us, and when each window is whole again
local now = tonumber(ARGV[1])
if now then
    now = now * 1000
else
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end
local count, whole, after, admitted, last = tonumber(ARGV[2]), {}, {}, 1, now
for at = 3, #ARGV, 3 do
    local each, limit = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local n = #whole + 1
    whole[n] = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or '') or 0
    after[n] = math.max(whole[n], now) + each * count
    if after[n] - now > each * limit then
        admitted = 0
    end
end
if admitted == 1 and count > 0 then
    whole = after
    for at = 3, #ARGV, 3 do
        local at_whole = whole[at / 3]
        redis.call('HSET', KEYS[1], ARGV[at], string.format('%.0f', at_whole))
        last = math.max(last, at_whole)
    end
    redis.call('EXPIRE', KEYS[1], math.ceil((last - now) / 1000000) + 1)
end
return {admitted, now, whole}
