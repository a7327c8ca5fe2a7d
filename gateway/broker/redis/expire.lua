-- Removes bikes that were not heard of for too long, and tells of it; the oldest 100 at most.
--   ARGV  1 how long is too long, in ms   2... the kind of room
-- Returns how many were removed.

kind = kind_from(2)

if call('EXISTS', KEYS[1]) == 0 then
    return 0
end
read_head()
local limit = now - number(ARGV[1])
local removed = 0
for _, key in ipairs(call('ZRANGE', KEYS[4], 0, 99)) do
    if read_value(key).heard > limit then
        break
    end
    remove(key, 'expired')
    removed = removed + 1
end
if removed > 0 then
    write_head()
end
return removed
