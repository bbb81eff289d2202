#!lua flags=allow-oom
-- Notes when keys were last used, unless a later use is known.
-- Writes: KEYS 1 last uses (hash: key's id -> ms)
-- ARGV: by key: id, time in ms
for at = 1, #ARGV, 2 do
    local known = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or '') or 0
    if tonumber(ARGV[at + 1]) > known then
        redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    end
end
