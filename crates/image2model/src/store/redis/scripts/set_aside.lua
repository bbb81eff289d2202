#!lua flags=allow-oom
-- Lays tasks among the dead ones of a queue and lane that are delayed or leased there, whatever their job says.
-- Writes: KEYS 1 leases (hash), 2 delayed, 3 leased, 4 dead (sorted sets)
-- ARGV: the time in ms, then tasks
-- Answers: how many there were
local moved = 0
for n = 2, #ARGV do
    if redis.call('ZREM', KEYS[2], ARGV[n]) + redis.call('ZREM', KEYS[3], ARGV[n]) > 0 then
        redis.call('HDEL', KEYS[1], ARGV[n])
        redis.call('ZADD', KEYS[4], ARGV[1], ARGV[n])
        moved = moved + 1
    end
end
return moved
