#!lua flags=no-writes
-- Reads: KEYS 1 any key of the store
-- ARGV: commands, each one word, that take a key first or none
-- Answers: the first command that this user may not use, or ''
for n = 1, #ARGV do
    if not redis.acl_check_cmd(ARGV[n], KEYS[1]) then
        return ARGV[n]
    end
end
if not redis.acl_check_cmd('xread', 'STREAMS', KEYS[1], '0') then
    return 'xread'
end
return ''
