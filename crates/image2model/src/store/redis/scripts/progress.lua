#!lua
-- Keeps the newest progress of a job's running items for a day and tells it; what goes back is left out.
-- Reads: KEYS 1 leases (hash)
-- Writes: KEYS 2 news (stream), then progress:<id>:<item> (percent and step) of each update
-- ARGV: for each update the item's task, percent, step, and what is told of it
for n = 1, #ARGV / 4 do
    local first = 4 * (n - 1)
    local percent, step, kept_in = tonumber(ARGV[first + 2]), ARGV[first + 3], KEYS[2 + n]
    local lease = redis.call('HGET', KEYS[1], ARGV[first + 1])
    if lease and cjson.decode(lease).started then
        local known, doing = string.match(redis.call('GET', kept_in) or '', '^(%d+) (.*)')
        known = tonumber(known)
        if not known or known < percent or (known == percent and doing ~= step) then
            redis.call('SET', kept_in, string.format('%d %s', percent, step), 'EX', 86400)
            redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'told', ARGV[first + 4])
        end
    end
end
return 1
