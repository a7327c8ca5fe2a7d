#!lua
-- Takes a lease, or makes it longer: one worker at a time has it.
--   KEYS  1 the lease
--   ARGV  1 worker   2 how long, ms
-- Returns 1 when the worker has it.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
