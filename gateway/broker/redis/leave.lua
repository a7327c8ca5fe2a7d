#!lua flags=allow-oom
-- Counts peers out, those that the worker has counted in: one may have moved to another since.
--   KEYS  1 members of the room
--   ARGV  1 worker   2 peer, or '' for all of the worker's
-- Returns the members that were counted out, as JSON.

local mine = '^%d+ ' .. string.gsub(ARGV[1], '%p', '%%%0') .. ' (.*)$'
local left = {}

local function leave(peer, entry)
    local member = entry and string.match(entry, mine)
    if member then
        redis.call('HDEL', KEYS[1], peer)
        left[#left + 1] = member
    end
end

if ARGV[2] == '' then
    local all = redis.call('HGETALL', KEYS[1])
    for index = 1, #all, 2 do
        leave(all[index], all[index + 1])
    end
else
    leave(ARGV[2], redis.call('HGET', KEYS[1], ARGV[2]))
end
if #left > 0 and redis.call('HLEN', KEYS[1]) == 1 then
    redis.call('DEL', KEYS[1])
end
return left
