-- Renew a mirror's term, acknowledge what it has applied, and give it what came since.
-- ARGV: epoch, nonce, mirror, seq applied, most records
-- Returns: the last seq, records after the one applied; or nothing, when the epoch is another.
if not as_known() then
  return false
end
local mirror, applied = ARGV[3], ARGV[4]
local known = redis.call('HGET', MIRRORS, mirror)
if not known then
  redis.call('HINCRBY', STATE, 'mirrors', 1)
end
local renewals = known and tonumber(string.match(known, '^%d+')) + 1 or 1
redis.call('HSET', MIRRORS, mirror, number(renewals) .. ' ' .. applied)
local after = number(tonumber(applied) + 1) .. '-0'
return { field('seq'), redis.call('XRANGE', JOURNAL, after, '+', 'COUNT', ARGV[5]) }
