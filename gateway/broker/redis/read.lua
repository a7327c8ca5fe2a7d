#!lua flags=no-writes
-- Where a room is, and what was published after a place: all of it, up to the present.
--   KEYS  1 head   2 log
--   ARGV  1 offset after which to read, or '' to read nothing
--         2 history length   3 how long to keep, ms
-- Returns false for a room that has not begun; epoch, offset, proof, now in ms, the entries of the
-- log, and 1 when its keys' expiry has to be put off, which is keep.lua's to do.
-- It writes nothing, so it is answered also while nothing may be written: a full memory or disk, a
-- master without its replicas.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local found = redis.call('HMGET', KEYS[1], 'e', 'o', 'p', 'x')
if not found[1] then
    return false
end
local offset = tonumber(found[2])
local entries = {}
if ARGV[1] ~= '' then
    local first = math.max(tonumber(ARGV[1]), offset - tonumber(ARGV[2])) + 1
    if first <= offset then
        entries = redis.call('XRANGE', KEYS[2], string.format('%.0f', first), '+')
    end
end
local is_due = now - tonumber(found[4]) > ARGV[3] / 8
return { found[1], offset, tonumber(found[3]), now, entries, is_due and 1 or 0 }
