#!lua flags=allow-oom
-- Gives the lead of a role to the one who asks, unless another has it; for no time at all it takes the lead from him.
-- Writes: KEYS 1 leaders (hash)
-- ARGV: role, who asks or '' for nobody, for how long in ms, the time in ms or '' for the server's
-- Answers: who leads then, or ''
local role, asking, length, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local lead = redis.call('HGET', KEYS[1], role) or ''
local till, leader = string.match(lead, '^(%d+) (.*)')
if not leader or tonumber(till) <= now then
    leader = ''
end
if asking == '' or (leader ~= '' and leader ~= asking) then
    return leader
end
if length == 0 then
    redis.call('HDEL', KEYS[1], role)
    return ''
end
redis.call('HSET', KEYS[1], role, string.format('%d %s', now + length, asking))
return asking
