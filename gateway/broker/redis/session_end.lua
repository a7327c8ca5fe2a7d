#!lua flags=allow-oom
-- Forgets a session that is still the keeper's.
--   KEYS  1 the session
--   ARGV  1 keeper

if redis.call('HGET', KEYS[1], 'keeper') == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return 1
