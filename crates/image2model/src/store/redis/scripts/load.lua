#!lua flags=no-writes
-- Reads a job, its tasks and their leases as they stand at one moment, and tells the time.
-- Reads: KEYS 1 job:<id> (hash), 2 tasks (hash), 3 leases (hash), then progress:<id>:<item> of items asked for
-- Answers: time in ms, version, record, what is left of one that is gone, all progress asked for, and id, record and lease of each task; '' for what is
--   not there
local time = redis.call('TIME')
local job = redis.call('HMGET', KEYS[1], 'v', 'job', 'tasks', 'gone')
local progress, tasks = {}, {}
for n = 4, #KEYS do
    progress[#progress + 1] = redis.call('GET', KEYS[n]) or ''
end
for id in string.gmatch(job[3] or '', '[^\n]+') do
    tasks[#tasks + 1] = { id, redis.call('HGET', KEYS[2], id) or '', redis.call('HGET', KEYS[3], id) or '' }
end
return { time[1] * 1000 + math.floor(time[2] / 1000), job[1] or '', job[2] or '', job[4] or '', progress, tasks }
