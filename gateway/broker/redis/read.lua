#!lua flags=allow-oom
-- Where a room is, and what was published after a place: all of it, up to the present.
--   KEYS  1 head   2 log   3... the other keys of the room
--   ARGV  1 offset after which to read, or '' to read nothing
--         2 the worker's salt for the name of an epoch that begins   3 history length   4 how long to keep, ms
-- Returns epoch, offset, proof, now in ms, and the entries of the log.
-- Allowed when memory is short: the head of a room is all that it may write.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local found = redis.call('HMGET', KEYS[1], 'e', 'o', 'p', 'x')
if not found[1] then
    for index = 2, 8 do
        redis.call('DEL', KEYS[index])
    end
    local epoch =
        string.sub(redis.sha1hex(table.concat({ ARGV[2], KEYS[1], clock[1], clock[2] }, ' ')), 1, 12)
    redis.call('HSET', KEYS[1], 'e', epoch, 'o', 0, 'p', 0, 'b', 0, 'n', 0, 'x', now)
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return { epoch, 0, 0, now, {} }
end
-- What is read stays, as what is published to does.
if now - tonumber(found[4]) > ARGV[4] / 8 then
    redis.call('HSET', KEYS[1], 'x', now)
    for index = 1, 8 do
        redis.call('PEXPIRE', KEYS[index], ARGV[4])
    end
end
local offset = tonumber(found[2])
local entries = {}
if ARGV[1] ~= '' then
    local first = math.max(tonumber(ARGV[1]), offset - tonumber(ARGV[3])) + 1
    if first <= offset then
        entries = redis.call('XRANGE', KEYS[2], string.format('%.0f', first), '+')
    end
end
return { found[1], offset, tonumber(found[3]), now, entries }
