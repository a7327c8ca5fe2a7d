#!lua
-- Keeps a session, unless somebody else has claimed it.
--   KEYS  1 the session
--   ARGV  1 holder   2 keeper   3 record   4 how long to keep, ms
-- Returns 1 when it is kept.

local keeper = redis.call('HGET', KEYS[1], 'keeper')
if keeper and keeper ~= ARGV[2] then
    return 0
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'keeper', ARGV[2], 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
