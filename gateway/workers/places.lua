-- The places of all who are alive; those who are not are forgotten.
--   KEYS  1 places, see announce.lua

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local kept = redis.call('HGETALL', KEYS[1])
local places = {}
for i = 1, #kept, 2 do
    local until_ms, place = string.match(kept[i + 1], '^(%d+) (.*)$')
    if until_ms and tonumber(until_ms) > now_ms then
        places[#places + 1] = place
    else
        redis.call('HDEL', KEYS[1], kept[i])
    end
end
return places
