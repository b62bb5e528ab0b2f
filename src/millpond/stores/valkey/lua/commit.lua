-- Take an entry in, unless something forbids it.
-- KEYS: the state, lease, and where it is in the same slot (no cluster) the frame's own
-- ARGV: epoch, nonce, server known, commit|seed, lease's token ('' for none), name, generation, rendered_at, size, build, most bytes,
--       now, tolerance, milliseconds to live, where frames are, frame, how many reads follow, reads..., tags...
-- Returns: what became of it, version, entries that were evicted, and for each when it was rendered and how often it was
-- read; 'no room': ask again, this was one step
local LEASE, FRAME = KEYS[11], KEYS[12]
local TURNS = 64  -- of entries to be evicted in one step: this bounds the time for which the server does nothing else
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

-- The oldest entry of a queue, other than the one that comes.
local function first(low, high)
  local found = redis.call('ZRANGEBYSCORE', PLACES, low, high, 'LIMIT', 0, 2)
  return found[1] ~= name and found[1] or found[2]
end

local function join(entry, queue)
  redis.call('ZADD', PLACES, queue + redis.call('HINCRBY', STATE, 'placed', 1), entry)
end

-- Remember an evicted entry; as many are remembered as there are entries.
local function remember(entry)
  redis.call('ZADD', GHOSTS, redis.call('HINCRBY', STATE, 'placed', 1), entry)
  if redis.call('ZCARD', GHOSTS) > redis.call('HLEN', INDEX) then
    redis.call('ZPOPMIN', GHOSTS, 2)
  end
end

local lives = {}  -- of the entries that were evicted: when each was rendered, and its hits

-- Give one entry its turn; true: it was evicted. See policy/eviction.py.
local function take_turn(victim)
  local on_probation, hits, counted = is_on_probation(victim), reads_of(victim)
  if counted == 0 then
    local kept = unpack_kept(redis.call('HGET', INDEX, victim))
    table.insert(lives, string.format('%.17g %.0f', kept.rendered_at, hits))
    forget(victim)
    if on_probation then
      remember(victim)
    end
    return true
  end
  local size = unpack_kept(redis.call('HGET', INDEX, victim)).size
  count(victim, -size)
  join(victim, MAIN)
  count(victim, size)
  set_reads(victim, hits, on_probation and 0 or counted - 1)
  return false
end

-- Evict until the rest counts at most `room` bytes, in one step; what was evicted, and whether there is room.
local function evict(room)
  local evicted = {}
  for _ = 1, TURNS do
    local held, probation = field('size'), field('probation')
    if held <= room then
      break
    end
    local from_main = probation <= math.floor(most / 10) and held > probation
    local victim = first(from_main and MAIN or 0, from_main and '+inf' or '(' .. number(MAIN))
      or first(0, '+inf')
    if not victim then
      break
    end
    if take_turn(victim) then
      table.insert(evicted, victim)
      if FRAME then
        redis.call('UNLINK', place .. victim)
      end
    end
  end
  return evicted, field('size') <= room
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

local former = redis.call('HGET', INDEX, name)
local evicted, fits = evict(most - size + (former and unpack_kept(former).size or 0))
if not fits then
  return { 'no room', 0, evicted, lives }
end
local version = redis.call('HINCRBY', STATE, 'version', 1)
if FRAME then
  -- First: a server that is out of memory refuses it, and nothing has been changed but what was evicted.
  redis.call('SET', FRAME, string.format('%020.0f', version) .. frame, 'PX', lifetime)
end
if former then
  count(name, -unpack_kept(former).size)
else
  join(name, redis.call('ZREM', GHOSTS, name) == 1 and MAIN or 0)
end
count(name, size)
redis.call('HSET', INDEX, name, string.format('%.0f %s %s %s %s', version, ARGV[9], ARGV[7], ARGV[8], build))
set_reads(name, reads_of(name))
if FRAME then
  record('c', { 'e', name, 'v', number(version) })
end
return { 'stored', version, evicted, lives }
