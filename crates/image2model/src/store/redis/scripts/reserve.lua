#!lua flags=allow-oom
-- Leases the first ready tasks of a queue and lane, notes the highest score handed out and forgets the flows that
-- it has caught up with.
-- Reads: KEYS 1 tasks (hash)
-- Writes: KEYS 2 leases (hash), 3 served (hash), 4 ready, 5 leased, 6 age, 7 flows (sorted sets)
-- ARGV: queue and lane, worker (JSON), lease in ms, the time in ms or '' for the server's, the highest score that was
--   handed out in any shard, then a token for each task that is wanted
-- Answers: the end of the leases in ms, then record and token of each task
local name, worker, length, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local answer = { string.format('%d', now + length) }
local first = redis.call('ZPOPMIN', KEYS[4], #ARGV - 5)
for n = 1, #first, 2 do
    local id = string.match(first[n], '^%d+ (.*)')
    local token = ARGV[5 + (n + 1) / 2]
    local lease = string.format('{"worker":%s,"token":"%s","until":%d,"started":false}', worker, token, now + length)
    redis.call('HSET', KEYS[2], id, lease)
    redis.call('ZADD', KEYS[5], now + length, id)
    redis.call('ZREM', KEYS[6], id)
    answer[#answer + 1] = redis.call('HGET', KEYS[1], id)
    answer[#answer + 1] = token
end
if #first > 0 then
    local served = tonumber(redis.call('HGET', KEYS[3], name) or 0)
    local highest = string.format('%.17g', math.max(served, tonumber(ARGV[5]), tonumber(first[#first])))
    redis.call('HSET', KEYS[3], name, highest)
    redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', highest)
end
return answer
