#!lua
-- What the scripts that write into a room share. A room's keys, all of one slot:
--   KEYS[1] head      hash    e epoch, o offset, p proof, b bytes of all values, n counter of all
--                             publications ever, x when the keys' expiry was put off, in ms
--   KEYS[2] log       stream  one entry a publication, its id <offset>-0: d announcement, t ms
--   KEYS[3] values    hash    key -> "<time ms> <checksum> <heard ms> <names>\n" .. JSON object
--   KEYS[4] heard     zset    key by n, least recently heard first
--   KEYS[5] gone      hash    removed key -> "<time ms> <until ms>"
--   KEYS[6] graves    zset    removed key by until ms
--   KEYS[7] receipts  hash    idempotency key -> "<epoch> <offset> <proof>"
--   KEYS[8] repeats   zset    idempotency key by ms
--   KEYS[9] channel   where the room's publications are announced

local ACCEPTED, REPEATED, DUPLICATE, STALE = 0, 1, 2, 3
local NONE, UPSERT, REMOVE = 0, 1, 2

local call = redis.call
local number = tonumber

local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- a kind of room, as `kind_words` of rooms.py writes it; set from ARGV by each script
local kind

local function kind_from(at)
    return {
        salt = ARGV[at], -- the worker's, for the name of an epoch that begins
        history_length = number(ARGV[at + 1]),
        history_ms = number(ARGV[at + 2]),
        snapshot = ARGV[at + 3] == '1',
        tombstone_ms = number(ARGV[at + 4]),
        values_limit = number(ARGV[at + 5]),
        values_limit_bytes = number(ARGV[at + 6]),
        keep_ms = number(ARGV[at + 7]),
        room = ARGV[at + 8], -- the room's name as JSON
    }
end

-- ---- the head

local head

-- A name that no other epoch of any room has. The same line stands in keep.lua and turn.lua.
local function new_epoch()
    return string.sub(redis.sha1hex(table.concat({ kind.salt, KEYS[1], clock[1], clock[2] }, ' ')), 1, 12)
end

local function read_head()
    local found = call('HMGET', KEYS[1], 'e', 'o', 'p', 'b', 'n', 'x')
    if found[1] then
        head = {
            epoch = found[1], offset = number(found[2]), proof = number(found[3]),
            bytes = number(found[4]), count = number(found[5]), put_off = number(found[6]),
        }
    else
        -- also when only this key was evicted: what is left of the others belongs to nobody
        call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
        head = { epoch = new_epoch(), offset = 0, proof = 0, bytes = 0, count = 0, put_off = 0 }
    end
end

-- What is used stays. Putting the expiry off costs a command a key, so it is done now and then.
local function write_head()
    local is_due = now - head.put_off > kind.keep_ms / 8
    if is_due then
        head.put_off = now
    end
    call('HSET', KEYS[1], 'e', head.epoch, 'o', head.offset, 'p', head.proof,
        'b', head.bytes, 'n', head.count, 'x', head.put_off)
    if is_due then
        for index = 1, 8 do
            call('PEXPIRE', KEYS[index], kind.keep_ms)
        end
    end
end

local function keep_new(...)
    for _, key in ipairs({ ... }) do
        call('PEXPIRE', key, kind.keep_ms, 'NX')
    end
end

-- ---- the log

-- The log is trimmed by time a few entries at a time; reading judges each entry by itself.
local function trim()
    local limit = now - kind.history_ms
    local oldest = call('XRANGE', KEYS[2], '-', '+', 'COUNT', 32)
    local last = nil
    for _, entry in ipairs(oldest) do
        if number(entry[2][4]) > limit then
            break
        end
        last = entry[1]
    end
    if last then
        call('XTRIM', KEYS[2], 'MINID', number(string.match(last, '^%d+')) + 1)
    end
end

-- An entry that somebody else has put there stands in the way of all others: a log that cannot be
-- added to begins anew, and whoever needs what it held is told that it is gone.
local function add(id, announcement)
    local words = { 'XADD', KEYS[2], 'MAXLEN', '~', kind.history_length, id, 'd', announcement, 't', now }
    local added = redis.pcall(unpack(words))
    if type(added) == 'table' and added.err then
        call('DEL', KEYS[2])
        call(unpack(words))
    end
end

-- Appends and announces, both or neither. `meta` and `packet` go out as they came.
local function append(meta, packet, checksum)
    local before = head.proof
    head.offset = head.offset + 1
    head.count = head.count + 1
    head.proof = (before * 31 + checksum) % 4294967296
    local announcement = string.format('%s %.0f %.0f %.0f %d\n',
        head.epoch, head.offset, before, head.proof, #meta) .. meta .. packet
    if kind.history_length > 0 then
        add(string.format('%.0f-0', head.offset), announcement)
        if head.offset == 1 then
            keep_new(KEYS[2])
        elseif head.offset % 16 == 0 then
            trim()
        end
    end
    call('SPUBLISH', KEYS[9], announcement)
end

-- ---- last values

local function read_value(key)
    local found = call('HGET', KEYS[3], key)
    if not found then
        return nil
    end
    local break_at = string.find(found, '\n', 1, true)
    local time, checksum, heard, names =
        string.match(string.sub(found, 1, break_at - 1), '^(%S+) (%S+) (%S+) (.*)$')
    return {
        time = number(time), checksum = number(checksum), heard = number(heard), names = names,
        json = string.sub(found, break_at + 1), size = #found,
    }
end

local function bury(key, value, time)
    if value then
        call('HDEL', KEYS[3], key)
        call('ZREM', KEYS[4], key)
        head.bytes = head.bytes - value.size
    end
    local till = now + kind.tombstone_ms
    call('HSET', KEYS[5], key, string.format('%.0f %.0f', time, till))
    call('ZADD', KEYS[6], till, key)
    local ended = call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, 8)
    if #ended > 0 then
        call('HDEL', KEYS[5], unpack(ended))
        call('ZREM', KEYS[6], unpack(ended))
    end
    if call('ZCARD', KEYS[6]) > kind.values_limit then
        call('HDEL', KEYS[5], call('ZPOPMIN', KEYS[6])[1])
    end
    keep_new(KEYS[5], KEYS[6])
end

-- A removal that nobody asked for: the same packet as `removal_of` in publication.py makes.
local function remove(key, reason)
    local value = read_value(key)
    if not value then -- its hash was evicted and this was not
        call('ZREM', KEYS[4], key)
        return
    end
    bury(key, value, value.time)
    local field, name = 'bikeId', key
    if string.sub(key, 1, 8) == 'station/' then
        field, name = 'stationId', string.sub(key, 9)
    end
    local packet = string.format('2["bike-removed",{"roomId":%s,"reason":"%s","%s":%s}]',
        kind.room, reason, field, (string.gsub(cjson.encode(name), '\\/', '/')))
    local checksum = number(string.sub(redis.sha1hex(packet), 1, 8), 16)
    append(cmsgpack.pack({ 'bike-removed', REMOVE, key }), packet, checksum)
end
