-- Give up rows: their buckets take over, which concern more entries, and never fewer.
-- ARGV: epoch, nonce, now, the latest generation that may be given up, tags...; at most 500
if not as_known() then
  return false
end
local now, latest, buckets, fields = tonumber(ARGV[3]), tonumber(ARGV[4]), {}, {}

-- A window that has ended is one no longer: else it would end the one that it is merged with.
local function settled(row)
  if row.expire_at and row.expire_at <= now then
    row.expired, row.expiring, row.expire_at = math.max(row.expired, row.expiring), 0, nil
  end
  return row
end

for i = 5, #ARGV do
  local text = redis.call('HGET', ROWS, ARGV[i])
  local row = text and unpack_row(text)
  if row and row.generation <= latest then
    row = settled(row)
    local name = bucket_of(ARGV[i])
    local held = buckets[name] or redis.call('HGET', BUCKETS, name)
    if type(held) == 'string' then
      held = settled(unpack_row(held))
    end
    if held then
      row.generation = math.max(row.generation, held.generation)
      row.expired = math.max(row.expired, held.expired)
      row.expiring = math.max(row.expiring, held.expiring)
      row.expire_at = row.expire_at and held.expire_at and math.min(row.expire_at, held.expire_at)
        or row.expire_at or held.expire_at
    end
    buckets[name] = row
    redis.call('HDEL', ROWS, ARGV[i])
    redis.call('HINCRBY', STATE, 'rows', -1)
    table.insert(fields, 'd')
    table.insert(fields, ARGV[i])
  end
end
if #fields == 0 then
  return 0
end
for name, row in pairs(buckets) do
  local text = pack_row(row)
  redis.call('HINCRBY', STATE, 'buckets', redis.call('HSET', BUCKETS, name, text))
  table.insert(fields, 'b')
  table.insert(fields, name .. ' ' .. text)
end
record('p', fields)
return 1
