#!lua
-- Puts a value under a key, if the permit is still there: who has deleted it knew of a change.
--   KEYS  1 where   ARGV  1 permit   2 value   3 how long to keep it, ms

if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return false
