-- Store the frame of an entry that the state of its application has taken in; a later one stays.
-- KEYS: the frame's. ARGV: version, milliseconds to live, frame ('' for an entry that was removed)
local version = string.format('%020.0f', tonumber(ARGV[1]))
if redis.call('GETRANGE', KEYS[1], 0, 19) > version then
  return 0
end
redis.call('SET', KEYS[1], version .. ARGV[3], 'PX', ARGV[2])
return 1
