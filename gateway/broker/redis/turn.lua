#!lua flags=allow-oom
-- Begins a new epoch, unless somebody has done so already: what was there before is not what
-- followers were told, so no cursor of the old epoch may be continued from.
--   KEYS  1 head   2 log
--   ARGV  1 the epoch to end   2 the worker's salt for the name of the next one

if redis.call('HGET', KEYS[1], 'e') == ARGV[1] then
    local clock = redis.call('TIME')
    local epoch =
        string.sub(redis.sha1hex(table.concat({ ARGV[2], KEYS[1], clock[1], clock[2] }, ' ')), 1, 12)
    redis.call('HSET', KEYS[1], 'e', epoch, 'o', 0, 'p', 0)
    redis.call('DEL', KEYS[2])
end
return redis.status_reply('OK')
