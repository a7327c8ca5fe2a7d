#!lua flags=no-writes
-- A room's last values, and the place of which they are the state.
--   KEYS  1 head   2 values   3 heard
--   ARGV  1 epoch, 2 offset, 3 proof of a snapshot that is known already, or ''
-- Returns false for a room that has not begun; epoch, offset, proof, and the entries of the values,
-- least recently heard first, or nothing in their place when the known one is the present one.

local found = redis.call('HMGET', KEYS[1], 'e', 'o', 'p')
if not found[1] then
    return false
end
if found[1] == ARGV[1] and found[2] == ARGV[2] and found[3] == ARGV[3] then
    return { found[1], tonumber(found[2]), tonumber(found[3]) }
end
local entries = {}
local keys = redis.call('ZRANGE', KEYS[3], 0, -1)
for from = 1, #keys, 1000 do
    local some = redis.call('HMGET', KEYS[2], unpack(keys, from, math.min(from + 999, #keys)))
    for index = 1, #some do
        entries[#entries + 1] = some[index]
    end
end
return { found[1], tonumber(found[2]), tonumber(found[3]), entries }
