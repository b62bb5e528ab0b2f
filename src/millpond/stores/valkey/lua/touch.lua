-- Renew a mirror's term, acknowledge what it has applied, and give it what came since.
-- ARGV: epoch, nonce, mirror, seq applied, that record's nonce, most records, build that its process serves
-- Returns: the last seq, records after the one applied; or nothing, when the epoch or the journal is another.
local mirror, applied, seen = ARGV[3], ARGV[4], ARGV[5]
if not as_known() or (seen ~= '' and nonce_at(applied) ~= seen) then
  return false
end
-- Counted over all mirrors: one that was struck off and came back never says again what it said before.
local renewal = redis.call('HINCRBY', STATE, 'renewals', 1)
redis.call('HINCRBY', STATE, 'mirrors', redis.call('HSET', MIRRORS, mirror, number(renewal) .. ' ' .. applied .. ' ' .. ARGV[7]))
local after = number(tonumber(applied) + 1) .. '-0'
return { field('seq'), redis.call('XRANGE', JOURNAL, after, '+', 'COUNT', ARGV[6]) }
