#!lua
-- Hands a session over to another keeper, if it is the holder's.
--   KEYS  1 the session
--   ARGV  1 holder   2 keeper from now on   3 how long to keep, ms
-- Returns the keeper until now and the record; nil when there is none, or it is somebody else's.

local holder, keeper, record = unpack(redis.call('HMGET', KEYS[1], 'holder', 'keeper', 'record'))
if not record or holder ~= ARGV[1] then
    return nil
end
redis.call('HSET', KEYS[1], 'keeper', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {keeper, record}
