-- Notes that a worker is alive, by Redis' own clock.
--   KEYS  1 places: worker id -> until when, in ms, and the place
--   ARGV  1 worker id   2 the place   3 for how long it counts as alive, in ms

local clock = redis.call('TIME')
local until_ms = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', until_ms) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.status_reply('OK')
