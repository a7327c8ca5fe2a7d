#!lua
-- Counts a peer in.
--   KEYS  1 members of the room: peer -> "<number> <worker> <member as JSON>"; '' -> last number
--   ARGV  1 peer   2 worker   3 member
-- Returns 1 when the peer was not counted before. One that has moved between workers keeps its place.
-- Nothing expires here: members stay for days. What a dead worker has left is taken over by others.

local known = redis.call('HGET', KEYS[1], ARGV[1])
local turn = known and string.match(known, '^%d+') or redis.call('HINCRBY', KEYS[1], '', 1)
redis.call('HSET', KEYS[1], ARGV[1], turn .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
return known and 0 or 1
