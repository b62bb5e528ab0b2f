-- Take an entry in, unless something forbids it.
-- KEYS: the state, lease, and where it is in the same slot (no cluster) the frame's own
-- ARGV: epoch, nonce, server known, commit|seed, lease's token ('' for none), name, generation, rendered_at, size, build, most bytes,
--       now, tolerance, milliseconds to live, where frames are, frame, how many reads follow, reads..., tags...
-- Returns: what became of it, version, entries that were evicted
local LEASE, FRAME = KEYS[10], KEYS[11]
local seeding, token, name, build = ARGV[4] == 'seed', ARGV[5], ARGV[6], ARGV[10]
local generation, rendered_at, size, most = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[11])
local now, tolerance, lifetime, place, frame = tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14], ARGV[15], ARGV[16]
local first_read = 18
local first_tag = first_read + tonumber(ARGV[17])

local function is_expired()
  for i = first_tag, #ARGV do
    local row = row_of(ARGV[i])
    if row and row.generation > generation then
      local due = row.expire_at and row.expire_at <= now
      if generation < row.expired or (due and generation < row.expiring) then
        return true
      end
    end
  end
  return false
end

local function is_superseded()
  local text = redis.call('HGET', INDEX, name)
  if not text or (FRAME and redis.call('EXISTS', FRAME) == 0) then
    return false
  end
  local held = unpack_kept(text)
  if seeding then
    return held.rendered_at >= rendered_at or held.generation > generation
  elseif held.generation ~= generation then
    return held.generation > generation
  end
  -- A clock that was set back must not keep an entry "from the future" in place for ever.
  return rendered_at < held.rendered_at and held.rendered_at <= now + tolerance
end

note_reads(first_read, first_tag - 1)
if not as_known() or not is_server(ARGV[3]) or generation > field('generation') then
  return { 'elsewhere' }
elseif token ~= '' and redis.call('HGET', LEASE, 'token') ~= token then
  return { 'lease lost' }
elseif size > most then
  return { 'too large' }
elseif generation < field('floor') or (not seeding and is_expired()) then
  return { 'invalidated' }
elseif is_superseded() then
  return { 'superseded' }
end

local version = redis.call('HINCRBY', STATE, 'version', 1)
if FRAME then
  -- First: a server that is out of memory refuses it, and nothing has been changed.
  redis.call('SET', FRAME, string.format('%020.0f', version) .. frame, 'PX', lifetime)
end
local hits = redis.call('HGET', HITS, name)
forget(name)
redis.call('HSET', INDEX, name, string.format('%.0f %s %s %s %s', version, ARGV[9], ARGV[7], ARGV[8], build))
if hits then
  redis.call('HSET', HITS, name, hits)
end
redis.call('ZADD', USE, redis.call('HINCRBY', STATE, 'uses', 1), name)
local held = redis.call('HINCRBY', STATE, 'size', size)
local evicted = {}
while held > most do
  local victim = redis.call('ZRANGE', USE, 0, 0)[1]
  if not victim then
    break
  end
  forget(victim)
  held = field('size')
  table.insert(evicted, victim)
  if FRAME then
    redis.call('UNLINK', place .. victim)
  end
end
if FRAME then
  record('c', { 'e', name, 'v', number(version) })
end
return { 'stored', version, evicted }
