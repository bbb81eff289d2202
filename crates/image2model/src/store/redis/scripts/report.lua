#!lua flags=allow-oom
-- Notes a worker's report with the time at which it came.
-- Writes: KEYS 1 workers (hash)
-- ARGV: worker, report, the time in ms or '' for the server's
local now = ARGV[3]
if now == '' then
    local time = redis.call('TIME')
    now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return 1
