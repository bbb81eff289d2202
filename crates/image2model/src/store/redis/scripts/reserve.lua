#!lua flags=allow-oom
-- Leases the first ready tasks of a queue and lane, notes the highest score handed out and forgets the flows that
-- it has caught up with.
-- Reads: KEYS 1 tasks (hash), and from 8 on job:<id> (hash) of jobs whose tasks are likely to be handed out
-- Writes: KEYS 2 leases (hash), 3 served (hash), 4 ready, 5 leased, 6 age, 7 flows (sorted sets)
-- ARGV: queue and lane, worker (JSON), lease in ms, the time in ms or '' for the server's, the highest score that was
--   handed out in any shard, then a token for each task that is wanted
-- Answers: the time in ms; record and lease of each task; and version, record and tasks of each of the jobs whose tasks
--   are among them, where a task is its id, record and lease, the last two '' for those handed out
local TASKS, LEASES = KEYS[1], KEYS[2]
local name, worker, length, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local given, jobs, taken = {}, {}, {}
local first = redis.call('ZPOPMIN', KEYS[4], #ARGV - 5)
for n = 1, #first, 2 do
    local id = string.match(first[n], '^%d+ (.*)')
    local token = ARGV[5 + (n + 1) / 2]
    local lease = string.format('{"worker":%s,"token":"%s","until":%d,"started":false}', worker, token, now + length)
    redis.call('HSET', LEASES, id, lease)
    redis.call('ZADD', KEYS[5], now + length, id)
    redis.call('ZREM', KEYS[6], id)
    given[#given + 1] = { redis.call('HGET', TASKS, id), lease }
    taken[id], taken[string.match(id, '^[^/]+')] = true, true
end
if #first > 0 then
    local served = tonumber(redis.call('HGET', KEYS[3], name) or 0)
    local highest = string.format('%.17g', math.max(served, tonumber(ARGV[5]), tonumber(first[#first])))
    redis.call('HSET', KEYS[3], name, highest)
    redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', highest)
end
for n = 8, #KEYS do
    if taken[string.match(KEYS[n], '[^:]+$')] then
        local job, tasks = redis.call('HMGET', KEYS[n], 'v', 'job', 'tasks'), {}
        for id in string.gmatch(job[3] or '', '[^\n]+') do
            if taken[id] then
                tasks[#tasks + 1] = { id, '', '' }
            else
                tasks[#tasks + 1] = { id, redis.call('HGET', TASKS, id) or '', redis.call('HGET', LEASES, id) or '' }
            end
        end
        jobs[#jobs + 1] = { job[1], job[2], tasks }
    end
end
return { now, given, jobs }
