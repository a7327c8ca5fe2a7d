#!lua
-- Takes units from a bucket that all workers share, as many as there are, up to what is wanted.
-- KEYS[1]  the bucket: the moment at which it will be full, in microseconds of Redis' own clock
-- ARGV[1]  microseconds in which one unit comes back
-- ARGV[2]  units that a full bucket holds
-- ARGV[3]  units that are wanted
-- Returns units taken, units left, and, when none were taken, microseconds until there is one.

local interval, depth, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
-- A clock that was set back, or a stranger's number, must not lock anybody out for long.
full_at = math.min(math.max(full_at, now), now + depth * interval)

-- The half unit of a microsecond takes care of what divisions leave behind.
local units = math.floor((now + depth * interval - full_at + 0.5) / interval)
local taken = math.min(wanted, units)
if taken <= 0 then
  return {0, 0, math.ceil(full_at + interval - now - depth * interval)}
end
full_at = full_at + taken * interval
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {taken, units - taken, 0}
