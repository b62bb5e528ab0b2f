-- What every script that touches the state of an application begins with. All its keys are in one slot.
--
-- state    hash    epoch, created, generation, base, floor, lost, seq, version, uses, size, probation, placed, renewals,
--                  rows, buckets, mirrors
-- rows     hash    tag -> row: "generation expired expiring expire_at"; expire_at is "-" when nothing is expiring
-- buckets  hash    bucket -> row: what the rows that were given up amount to
-- mirrors  hash    mirror -> "renewal applied build"
-- journal  stream  seq-0 -> n (nonce), k (kind), and what belongs to the kind
-- moments  list    when each invalidation since `base` happened, the latest only
-- index    hash    entry -> "version size generation rendered_at build"
-- places   zset    entry -> its place in the queues of policy/eviction.py; those of the main queue begin at MAIN
-- reads    hash    entry -> "hits counted use": reads, those that count for its next turn, and when it was used last
-- ghosts   zset    entry that was evicted -> when, in places
local STATE, ROWS, BUCKETS, MIRRORS, JOURNAL, MOMENTS, INDEX, PLACES, READS, GHOSTS = unpack(KEYS, 1, 10)
local EPOCH, NONCE = ARGV[1], ARGV[2]
local MAIN, MAX_READS = 2 ^ 52, 3
local JOURNAL_LENGTH, MOMENTS_REMEMBERED = 50000, 10000

local function number(value)
  return string.format('%.0f', value)
end

local function field(name)
  return tonumber(redis.call('HGET', STATE, name) or 0)
end

-- Whether the server still has all that it was told: a part that was evicted or deleted would be missed by its count.
-- Without the index or the places, no entry could be evicted, while the size says that some must be.
local function whole()
  local entries = redis.call('HLEN', INDEX)
  return redis.call('HLEN', ROWS) == field('rows')
    and redis.call('HLEN', BUCKETS) == field('buckets')
    and redis.call('HLEN', MIRRORS) == field('mirrors')
    and redis.call('ZCARD', PLACES) == entries
    and (entries == 0) == (field('size') == 0)
end

local function as_known()
  return redis.call('HGET', STATE, 'epoch') == EPOCH and whole()
end

local function info(section)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and text or ''
end

-- Which run of which server this is; '' where INFO is forbidden.
local function server()
  return string.match(info('server'), 'run_id:(%x+)') or ''
end

-- Whether it is the server that whoever asks has come to terms with. One that took over from it may not know all that
-- was promised there: the latest records, and the latest mirrors.
local function is_server(known)
  local here = server()
  return here == known or here == ''
end

-- The nonce of a record of the journal.
local function nonce_at(seq)
  local found = redis.call('XRANGE', JOURNAL, seq .. '-0', seq .. '-0')
  return found[1] and found[1][2][2]
end

-- Append to the journal. `seq` has no gaps, so that who reads it knows when something is missing.
local function record(kind, fields)
  local seq = redis.call('HINCRBY', STATE, 'seq', 1)
  redis.call('XADD', JOURNAL, 'MAXLEN', '~', JOURNAL_LENGTH, number(seq) .. '-0', 'n', NONCE, 'k', kind, unpack(fields))
  return seq
end

local function pack_row(row)
  local at = row.expire_at and string.format('%.17g', row.expire_at) or '-'
  return string.format('%.0f %.0f %.0f %s', row.generation, row.expired, row.expiring, at)
end

local function unpack_row(text)
  local generation, expired, expiring, at = string.match(text, '^(%d+) (%d+) (%d+) (%S+)$')
  return {
    generation = tonumber(generation),
    expired = tonumber(expired),
    expiring = tonumber(expiring),
    expire_at = at ~= '-' and tonumber(at) or nil,
  }
end

local function bucket_of(tag)
  return string.sub(redis.sha1hex(tag), 1, 3)
end

-- What is known of a tag: its row, or what the bucket of rows that were given up says, or that everything was lost.
local function row_of(tag)
  local text = redis.call('HGET', ROWS, tag) or redis.call('HGET', BUCKETS, bucket_of(tag))
  if text then
    return unpack_row(text)
  end
  if field('lost') == 1 then
    local floor = field('floor')
    return { generation = floor, expired = floor, expiring = 0 }
  end
end

local function unpack_kept(text)
  local version, size, generation, rendered_at, build = string.match(text, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
  return {
    version = tonumber(version),
    size = tonumber(size),
    generation = tonumber(generation),
    rendered_at = tonumber(rendered_at),
    build = build,
  }
end

local function is_on_probation(name)
  return tonumber(redis.call('ZSCORE', PLACES, name) or MAIN) < MAIN
end

-- Count bytes of an entry that comes, or with a negative number goes.
local function count(name, size)
  redis.call('HINCRBY', STATE, 'size', size)
  if is_on_probation(name) then
    redis.call('HINCRBY', STATE, 'probation', size)
  end
end

-- Take an entry out of the index; whoever calls deletes its frame.
local function forget(name)
  local text = redis.call('HGET', INDEX, name)
  if not text then
    return false
  end
  count(name, -unpack_kept(text).size)
  redis.call('HDEL', INDEX, name)
  redis.call('HDEL', READS, name)
  redis.call('ZREM', PLACES, name)
  return true
end

-- How an entry was read: hits, the reads that count for its next turn, and when it was used last.
local function reads_of(name)
  local hits, counted = string.match(redis.call('HGET', READS, name) or '', '^(%d+) (%d+) %d+$')
  return tonumber(hits or 0), tonumber(counted or 0)
end

local function set_reads(name, hits, counted)
  local use = redis.call('HINCRBY', STATE, 'uses', 1)
  redis.call('HSET', READS, name, string.format('%.0f %.0f %.0f', hits, counted, use))
end

-- Note reads given as name, count, name, count, ...; in ARGV from `first` to `last`.
local function note_reads(first, last)
  for i = first, last, 2 do
    if redis.call('HEXISTS', INDEX, ARGV[i]) == 1 then
      local hits, counted = reads_of(ARGV[i])
      set_reads(ARGV[i], hits + ARGV[i + 1], math.min(MAX_READS, counted + ARGV[i + 1]))
    end
  end
end

-- The mirrors as a flat list, for who has to wait for them.
local function mirrors()
  return redis.call('HGETALL', MIRRORS)
end
