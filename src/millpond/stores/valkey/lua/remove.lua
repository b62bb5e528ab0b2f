-- Forget an entry, and have the mirrors forget it.
-- KEYS: the state, and where it is in the same slot (no cluster) the frame's own. ARGV: epoch, nonce, name
-- Returns: seq, mirrors, version; or nothing, when the epoch is another.
if not as_known() then
  return false
end
local version = redis.call('HINCRBY', STATE, 'version', 1)
forget(ARGV[3])
if KEYS[11] then
  redis.call('UNLINK', KEYS[11])
end
return { record('c', { 'e', ARGV[3], 'v', number(version) }), mirrors(), version }
