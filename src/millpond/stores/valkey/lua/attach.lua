-- Take up with the journal, or find that what was known has no continuation here.
-- ARGV: epoch known ('' for none), nonce, a new epoch, generation known, position, nonce there, server known, now
-- Returns: same|new, epoch, seq, nonce there, generation, floor, lost, when the epoch began
--          and what time it is now in microseconds, server, maxmemory-policy where there is a limit
local fresh, known, position, seen, server_known, now = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local time = redis.call('TIME')
local microseconds = time[1] * 1000000 + time[2]

-- Nothing that captured less than the new generation counts any longer: of what invalidated it, something is unknown.
local function distrust()
  local generation = math.max(microseconds, field('generation') + 1, known + 1)
  redis.call('DEL', ROWS, BUCKETS, MOMENTS)
  redis.call('RPUSH', MOMENTS, now)
  redis.call('HSET', STATE, 'generation', generation, 'floor', generation, 'base', generation - 1, 'lost', 1,
    'rows', 0, 'buckets', 0)
  record('f', { 'g', number(generation) })
end

-- Versions go on from the server's clock: frames of a former epoch, which may still be there, have lower ones.
local function begin_epoch()
  redis.call('DEL', STATE, ROWS, BUCKETS, MIRRORS, JOURNAL, MOMENTS, INDEX, PLACES, READS, GHOSTS)
  redis.call('HSET', STATE, 'epoch', fresh, 'created', microseconds, 'version', microseconds, 'generation', 0,
    'base', 0, 'floor', 0, 'lost', 0, 'seq', 0, 'uses', 0, 'size', 0, 'probation', 0, 'placed', 0, 'renewals', 0,
    'rows', 0, 'buckets', 0, 'mirrors', 0)
end

local function policy()
  local memory = info('memory')
  return string.match(memory, 'maxmemory:0%s') and '' or string.match(memory, 'maxmemory_policy:(%S+)') or ''
end

local had_state = redis.call('EXISTS', STATE) == 1
local here = server()
if not had_state or not whole() then
  begin_epoch()
  if had_state then
    distrust()
  end
end
local epoch, status = redis.call('HGET', STATE, 'epoch'), 'new'
if EPOCH ~= '' and EPOCH ~= epoch then
  if field('lost') == 0 then
    distrust()
  end
elseif EPOCH == epoch then
  local there = nonce_at(position)
  if position == '0' or (there and there == seen) then
    status = 'same'
  elseif there or tonumber(position) > field('seq') or here == '' or server_known ~= here then
    -- What this mirror knows was lost, or may have been: another server has taken over, without the latest writes.
    if field('floor') <= known then
      distrust()
    end
  end
end
local seq = number(field('seq'))
return { status, epoch, tonumber(seq), nonce_at(seq) or '', field('generation'), field('floor'), field('lost'),
  field('created'), microseconds, here, policy() }
