-- Decides what becomes of a draft, and does it: the same rules as rooms/journal.py has.
--   ARGV  1 meta   2 packet   3 checksum of the packet   4 op   5 key   6 time ms, or ''
--         7 names of the fields that it sets, as a digest, or '' when it clears any
--         8 where the JSON object begins in the packet, from 1
--         9 idempotency key, or ''   10 that of the draft that must be here first, or ''
--         11... the kind of room
-- Returns outcome, epoch, offset, proof; or the error OUTOFTURN.

local VALUE_LIMIT_BYTES = 32768
local RECEIPTS_LIMIT = 10000
local RECEIPT_MS = 300000

kind = kind_from(11)

local meta, packet, checksum, op = ARGV[1], ARGV[2], number(ARGV[3]), number(ARGV[4])
local key, time, names = ARGV[5], number(ARGV[6]), ARGV[7]
local repeat_key, key_before = ARGV[9], ARGV[10]

-- ---- patches (RFC 7396, top level); texts of values stay as they are

-- `text` is valid JSON, so a quote that no backslash precedes ends its string.
local function end_of_string(text, quote)
    local at = quote + 1
    while true do
        local found = string.find(text, '["\\]', at)
        if string.byte(text, found) == 34 then
            return found
        end
        at = found + 2
    end
end

local function end_of_value(text, from)
    local first = string.byte(text, from)
    if first == 34 then
        return end_of_string(text, from)
    elseif first ~= 123 and first ~= 91 then
        return string.find(text, '[,}%s]', from) - 1
    end
    local depth, at = 0, from
    while true do
        local found = string.find(text, '["{}%[%]]', at)
        local byte = string.byte(text, found)
        if byte == 34 then
            found = end_of_string(text, found)
        elseif byte == 123 or byte == 91 then
            depth = depth + 1
        else
            depth = depth - 1
            if depth == 0 then
                return found
            end
        end
        at = found + 1
    end
end

-- Puts the members of a JSON object into `fields`, by decoded name, and new names into `order`.
local function gather(text, fields, order)
    local at = string.find(text, '{', 1, true) + 1
    while true do
        local from = string.find(text, '[^%s,]', at)
        if string.byte(text, from) == 125 then
            return
        end
        local till = end_of_string(text, from)
        local name = string.sub(text, from, till)
        if string.find(name, '\\', 1, true) then
            name = cjson.decode('[' .. name .. ']')[1]
        else
            name = string.sub(name, 2, -2)
        end
        local value_at = string.find(text, '[^%s:]', till + 1)
        local value_end = end_of_value(text, value_at)
        if not fields[name] then
            order[#order + 1] = name
        end
        fields[name] = {
            name = string.sub(text, from, till), text = string.sub(text, value_at, value_end),
        }
        at = value_end + 1
    end
end

-- One object of an older one and a patch, without nulls; and the digest of its names.
local function merged(older, patch)
    local fields, order = {}, {}
    if older then
        gather(older, fields, order)
    end
    gather(patch, fields, order)
    local members, kept = {}, {}
    for _, name in ipairs(order) do
        if fields[name].text ~= 'null' then
            members[#members + 1] = fields[name].name .. ':' .. fields[name].text
            kept[#kept + 1] = #name .. ':' .. name
        end
    end
    local json = '{' .. table.concat(members, ',') .. '}'
    if older and #json > VALUE_LIMIT_BYTES then
        return merged(nil, patch) -- a bike that grows for ever keeps its last update alone
    end
    return json, redis.sha1hex(table.concat(kept))
end

local function revise(value, seen)
    local json = string.sub(packet, number(ARGV[8]), -2)
    local digest = names
    -- A patch that sets every field that there is makes those before it void.
    if names == '' or (value and value.names ~= names) then
        json, digest = merged(value and value.json, json)
    end
    local entry = string.format('%.0f %.0f %.0f %s\n', seen, checksum, now, digest) .. json
    call('HSET', KEYS[3], key, entry)
    call('ZADD', KEYS[4], head.count, key)
    head.bytes = head.bytes + #entry - (value and value.size or 0)
    if not value then
        keep_new(KEYS[3], KEYS[4])
    end
end

local function apply()
    local value = read_value(key)
    local last, tomb = nil, nil
    if value then
        last = value.time
        if op == UPSERT and time then
            if time < last then
                return STALE
            elseif time == last and checksum == value.checksum then
                return DUPLICATE
            end
            revise(value, time)
            return ACCEPTED
        end
    else
        local found = call('HGET', KEYS[5], key)
        if found then
            local seen, till = string.match(found, '^(%S+) (%S+)$')
            if number(till) > now then
                last, tomb = number(seen), true
            end
        end
    end
    local seen = time or now
    if last and seen < last then
        if time then
            return STALE
        end
        seen = last -- the clock went back, or the bike's is ahead
    end
    if op == REMOVE then
        bury(key, value, seen)
        return tomb and DUPLICATE or ACCEPTED -- not told again, but known to be gone for longer
    elseif tomb and time and time == last then
        return STALE -- seen no later than the removal
    end
    if tomb then
        call('HDEL', KEYS[5], key)
        call('ZREM', KEYS[6], key)
    end
    revise(value, seen)
    return ACCEPTED
end

-- ---- the draft

local function receipt_of(known_key)
    local known = call('HGET', KEYS[7], known_key)
    local at = known and call('ZSCORE', KEYS[8], known_key)
    return known and at and number(at) > now - RECEIPT_MS and known
end

if repeat_key ~= '' then
    local known = receipt_of(repeat_key)
    if known then
        local epoch, offset, proof = string.match(known, '^(%S+) (%S+) (%S+)$')
        return { REPEATED, epoch, number(offset), number(proof) }
    end
end
if key_before ~= '' and not receipt_of(key_before) then
    return redis.error_reply('OUTOFTURN what must be here first is not')
end

read_head()
local outcome = ACCEPTED
if op ~= NONE and kind.snapshot then
    outcome = apply()
end
if outcome == ACCEPTED then
    append(meta, packet, checksum)
end
local receipt = { outcome, head.epoch, head.offset, head.proof }
if op == UPSERT and kind.snapshot and outcome == ACCEPTED then
    local size = call('HLEN', KEYS[3])
    if size == 1 then
        head.bytes = call('HSTRLEN', KEYS[3], key) -- others may have been counted, and evicted by Redis
    end
    while size > kind.values_limit or (head.bytes > kind.values_limit_bytes and size > 1) do
        local oldest = call('ZRANGE', KEYS[4], 0, 0)[1]
        if not oldest then
            break
        end
        remove(oldest, 'evicted')
        size = size - 1
    end
end
if repeat_key ~= '' then
    call('HSET', KEYS[7], repeat_key,
        string.format('%s %.0f %.0f', receipt[2], receipt[3], receipt[4]))
    call('ZADD', KEYS[8], now, repeat_key)
    keep_new(KEYS[7], KEYS[8])
    local ended = call('ZRANGEBYSCORE', KEYS[8], '-inf', now - RECEIPT_MS, 'LIMIT', 0, 16)
    if call('ZCARD', KEYS[8]) - #ended > RECEIPTS_LIMIT then
        ended = call('ZRANGE', KEYS[8], 0, #ended)
    end
    if #ended > 0 then
        call('HDEL', KEYS[7], unpack(ended))
        call('ZREM', KEYS[8], unpack(ended))
    end
end
write_head()
return receipt
