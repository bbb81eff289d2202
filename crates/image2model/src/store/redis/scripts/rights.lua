#!lua flags=no-writes
-- Reads: KEYS 1 any key of the store
-- ARGV: commands that take a key first or none, with the subcommand behind a |
-- Answers: the first command that this user may not use, or ''
for n = 1, #ARGV do
    local command, sub = string.match(ARGV[n], '(.*)|(.*)')
    if not redis.acl_check_cmd(command or ARGV[n], sub or KEYS[1]) then
        return ARGV[n]
    end
end
if not redis.acl_check_cmd('xread', 'STREAMS', KEYS[1], '0') then
    return 'xread'
end
return ''
