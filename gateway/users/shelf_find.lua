#!lua
-- Gives what lies under a key, or makes whoever asks the one who may put something there.
--   KEYS  1 where   ARGV  1 how a value begins   2 permit   3 how long a permit is good for, ms
-- Returns the value, or false. What is too long to be a user is none.

local found = redis.pcall('GET', KEYS[1])
if type(found) == 'string' and #found < 8192 and string.sub(found, 1, #ARGV[1]) == ARGV[1] then
  return found
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false
