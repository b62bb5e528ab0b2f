-- Count one invalidation, write its rows, and append it to the journal. The rows are those of policy/tags.py.
-- ARGV: epoch, nonce, server known, now, expire_after ('' for no limit), tags...
-- Returns: generation, seq, how many rows there are, mirrors; or nothing, when the epoch or the server is another.
if not as_known() or not is_server(ARGV[3]) then
  return false
end
local now, after = tonumber(ARGV[4]), tonumber(ARGV[5])
local generation = redis.call('HINCRBY', STATE, 'generation', 1)

local function invalidated(row)
  row = row or { expired = 0, expiring = 0 }
  local expired, expiring, at = row.expired, row.expiring, row.expire_at
  if at and at <= now then
    expired, expiring, at = math.max(expired, expiring), 0, nil
  end
  if not after then
    return { generation = generation, expired = expired, expiring = expiring, expire_at = at }
  elseif after <= 0 then
    return { generation = generation, expired = generation, expiring = 0 }
  end
  local ends = now + after
  return { generation = generation, expired = expired, expiring = generation, expire_at = at and math.min(at, ends) or ends }
end

local AT_ONCE = 500  -- rows in one record: Lua can pass on only so many values
local rows, added = {}, 0
for i = 6, #ARGV do
  local text = pack_row(invalidated(row_of(ARGV[i])))
  added = added + redis.call('HSET', ROWS, ARGV[i], text)
  table.insert(rows, ARGV[i])
  table.insert(rows, text)
  if #rows >= 2 * AT_ONCE and i < #ARGV then
    record('t', rows)
    rows = {}
  end
end
redis.call('HINCRBY', STATE, 'rows', added)

-- A clock that was set back makes it look later, and so concern more of the seeds: never fewer.
local last = tonumber(redis.call('LINDEX', MOMENTS, -1) or now)
redis.call('RPUSH', MOMENTS, last > now and last or ARGV[4])
redis.call('LTRIM', MOMENTS, -MOMENTS_REMEMBERED, -1)

-- The generation comes with the last of its rows: who knows the one knows the others.
local seq = record('i', { 'g', number(generation), unpack(rows) })
return { generation, seq, field('rows'), mirrors() }
