-- The right to regenerate one entry. KEYS: the state, lease. ARGV: epoch, nonce, verb, token, milliseconds
local LEASE = KEYS[11]
local verb, token, milliseconds = ARGV[3], ARGV[4], ARGV[5]
if verb == 'acquire' then
  if redis.call('EXISTS', LEASE) == 1 then
    return 0
  end
  redis.call('HSET', LEASE, 'token', token)
  redis.call('PEXPIRE', LEASE, milliseconds)
  return 1
elseif verb == 'wait' then
  -- Who waits is told of the release by the journal; that the lease runs out it finds out by asking again.
  if redis.call('EXISTS', LEASE) == 0 then
    return 0
  end
  redis.call('HSET', LEASE, 'awaited', 1)
  return 1
elseif redis.call('HGET', LEASE, 'token') ~= token then
  return 0
elseif verb == 'renew' then
  return redis.call('PEXPIRE', LEASE, milliseconds)
end
local awaited = redis.call('HGET', LEASE, 'awaited')
redis.call('DEL', LEASE)
if awaited and redis.call('HGET', STATE, 'epoch') == EPOCH then
  record('r', { 'e', ARGV[6] })
end
return 1
