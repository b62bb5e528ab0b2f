-- Renew a mirror's term, acknowledge what it has applied, and give it what came since.
-- ARGV: epoch, nonce, mirror, seq applied, most records
-- Returns: the last seq, records after the one applied; or nothing, when the epoch is another.
if not as_known() then
  return false
end
local mirror, applied = ARGV[3], ARGV[4]
-- Counted over all mirrors: one that was struck off and came back never says again what it said before.
local renewal = redis.call('HINCRBY', STATE, 'renewals', 1)
redis.call('HINCRBY', STATE, 'mirrors', redis.call('HSET', MIRRORS, mirror, number(renewal) .. ' ' .. applied))
local after = number(tonumber(applied) + 1) .. '-0'
return { field('seq'), redis.call('XRANGE', JOURNAL, after, '+', 'COUNT', ARGV[5]) }
