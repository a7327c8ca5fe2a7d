#!lua flags=allow-oom
-- Begins a room that has not begun, and puts off the expiry of its keys: what is read stays, as what
-- is published to does.
--   KEYS  1 head   2... the other keys of the room
--   ARGV  1 the worker's salt for the name of an epoch that begins   2 how long to keep, ms
-- Allowed when memory is short: the head of a room is all that it may write.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

if redis.call('HEXISTS', KEYS[1], 'e') == 0 then
    for index = 2, 8 do
        redis.call('DEL', KEYS[index])
    end
    local epoch =
        string.sub(redis.sha1hex(table.concat({ ARGV[1], KEYS[1], clock[1], clock[2] }, ' ')), 1, 12)
    redis.call('HSET', KEYS[1], 'e', epoch, 'o', 0, 'p', 0, 'b', 0, 'n', 0)
end
redis.call('HSET', KEYS[1], 'x', now)
for index = 1, 8 do
    redis.call('PEXPIRE', KEYS[index], ARGV[2])
end
return redis.status_reply('OK')
