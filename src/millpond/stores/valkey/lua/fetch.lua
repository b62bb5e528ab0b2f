-- The frame of an entry with its version before it: nothing when there is none, 1 when it is the version known.
-- KEYS: the frame's. ARGV: version known ('' for none)
local version = redis.call('GETRANGE', KEYS[1], 0, 19)
if version == '' then
  return false
elseif version == ARGV[1] then
  return 1
end
return redis.call('GET', KEYS[1])
