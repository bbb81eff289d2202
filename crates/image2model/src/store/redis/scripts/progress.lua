#!lua
-- Keeps the newest progress of a job's running items for a day and tells it; what goes back is left out.
-- Reads: KEYS 1 leases (hash)
-- Writes: KEYS 2 progress:<job> (hash of item to percent and step), 3 news (stream)
-- ARGV: for each item its task, number, percent, step, and what is told of it
for n = 1, #ARGV, 5 do
    local item, percent, step = ARGV[n + 1], tonumber(ARGV[n + 2]), ARGV[n + 3]
    local lease = redis.call('HGET', KEYS[1], ARGV[n])
    if lease and cjson.decode(lease).started then
        local kept = redis.call('HGET', KEYS[2], item)
        local known, doing = string.match(kept or '', '^(%d+) (.*)')
        known = tonumber(known)
        if not known or known < percent or (known == percent and doing ~= step) then
            redis.call('HSET', KEYS[2], item, string.format('%d %s', percent, step))
            redis.call('EXPIRE', KEYS[2], 86400)
            redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'told', ARGV[n + 4])
        end
    end
end
return 1
