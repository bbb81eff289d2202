#!lua
-- Writes what a transition decided, unless somebody changed the job or reserved one of its tasks since it was
-- loaded. Answers 1 when it is written, 0 when it must be decided anew. A repeat, because the answer was lost, finds
-- the next version there.
-- Reads and writes: KEYS 1 job:<id> (hash), 2 tasks (hash), 3 leases (hash), 4 places (hash), 5 place (counter),
--   7 lanes (set), 8 ended (sorted set), 9 owner:<owner> (sorted set), 10 news (stream), then for each queue and lane
--   ready, delayed, leased, dead, age, flows (sorted sets), progress:<id>:<item> of items that end,
--   and holding:<owner> (hash)
-- Reads: KEYS 6 served (hash)
-- ARGV: the expected version ('' for no job), the next one, the number of expected leases, each as task and lease ('' for none),
--   then operations, each a word and its arguments; a key is its number, a lane the number of its first key
local JOB, TASKS, LEASES, PLACES, PLACE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local SERVED, LANES, NEWS = KEYS[6], KEYS[7], KEYS[10]
local next_arg = 0
-- What the job's version will be, and whether that is written.
local version, counted

local function arg()
    next_arg = next_arg + 1
    return ARGV[next_arg]
end

local function lane()
    local first = tonumber(arg())
    return { ready = KEYS[first], age = KEYS[first + 4], flows = KEYS[first + 5] }
end

-- The score and the member of a task's place among the ready ones.
local function place(id)
    local kept = redis.call('HGET', PLACES, id)
    return string.match(kept, ':(.*)'), string.match(kept, '^%d+') .. ' ' .. id
end

local function make_ready(lane, id, enqueued, score, member)
    redis.call('ZADD', lane.ready, score, member)
    redis.call('ZADD', lane.age, enqueued, id)
end

local operations = {
    -- The record and the names of all its tasks.
    job = function()
        local record, tasks = arg(), arg()
        redis.call('HSET', JOB, 'v', version, 'job', record, 'tasks', tasks)
        counted = true
    end,
    expire = function()
        redis.call('EXPIRE', JOB, arg())
    end,
    persist = function()
        redis.call('PERSIST', JOB)
    end,
    delete = function()
        redis.call('DEL', JOB)
        counted = true
    end,
    -- What is left of a deleted job for so many seconds: a repeat finds it and makes no second job.
    remember = function()
        local gone, seconds = arg(), arg()
        redis.call('HSET', JOB, 'v', version, 'gone', gone)
        redis.call('EXPIRE', JOB, seconds)
    end,
    -- What the owner has changes by so many images and bytes.
    hold = function()
        local key, images, bytes = KEYS[tonumber(arg())], arg(), arg()
        redis.call('HINCRBY', key, 'images', images)
        redis.call('HINCRBY', key, 'bytes', bytes)
    end,
    put = function()
        local id, record = arg(), arg()
        redis.call('HSET', TASKS, id, record)
    end,
    drop = function()
        local id = arg()
        redis.call('HDEL', TASKS, id)
        redis.call('HDEL', PLACES, id)
    end,
    -- A new place after the flow's last: the score is that of job/fair.rs.
    enqueue = function()
        local lane, name, id, enqueued = lane(), arg(), arg(), arg()
        local flow, weight = arg(), tonumber(arg())
        local served = tonumber(redis.call('HGET', SERVED, name) or 0)
        local last = tonumber(redis.call('ZSCORE', lane.flows, flow) or served)
        local score = string.format('%.17g', math.max(last, served) + 1 / weight)
        redis.call('ZADD', lane.flows, score, flow)
        local number = string.format('%016d', redis.call('INCR', PLACE))
        redis.call('HSET', PLACES, id, number .. ':' .. score)
        redis.call('SADD', LANES, name)
        make_ready(lane, id, enqueued, score, number .. ' ' .. id)
    end,
    -- Back to the place that it had.
    ready = function()
        local lane, id, enqueued = lane(), arg(), arg()
        make_ready(lane, id, enqueued, place(id))
    end,
    unready = function()
        local lane, id = lane(), arg()
        local _, member = place(id)
        redis.call('ZREM', lane.ready, member)
        redis.call('ZREM', lane.age, id)
    end,
    lease = function()
        local id, lease = arg(), arg()
        redis.call('HSET', LEASES, id, lease)
    end,
    unlease = function()
        redis.call('HDEL', LEASES, arg())
    end,
    -- Into and out of a sorted set.
    add = function()
        local key, score, member = KEYS[tonumber(arg())], arg(), arg()
        redis.call('ZADD', key, score, member)
    end,
    remove = function()
        local key, member = KEYS[tonumber(arg())], arg()
        redis.call('ZREM', key, member)
    end,
    forget = function()
        redis.call('DEL', KEYS[tonumber(arg())])
    end,
    tell = function()
        redis.call('XADD', NEWS, 'MAXLEN', '~', 10000, '*', 'told', arg())
    end,
}

local known, expected = redis.call('HGET', JOB, 'v') or '', arg()
version = arg()
if known == version then
    -- Written, so that who waits for replicas waits for what came before this, too.
    redis.call('HSET', JOB, 'v', version)
    return 1
elseif known ~= expected then
    return 0
end
for _ = 1, tonumber(arg()) do
    local id, lease = arg(), arg()
    if (redis.call('HGET', LEASES, id) or '') ~= lease then
        return 0
    end
end
while next_arg < #ARGV do
    operations[arg()]()
end
if not counted then
    redis.call('HSET', JOB, 'v', version)
end
return 1
