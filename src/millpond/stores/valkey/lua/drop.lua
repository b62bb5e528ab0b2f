-- Drop entries that are still the ones that were looked at, and have the mirrors forget them.
-- ARGV: epoch, nonce, where frames are if in the same slot ('' in a cluster), then for each: name, version
-- Returns: the names of those that were dropped
if redis.call('HGET', STATE, 'epoch') ~= EPOCH then
  return {}
end
local dropped = {}
for i = 4, #ARGV, 2 do
  local text = redis.call('HGET', INDEX, ARGV[i])
  if text and number(unpack_kept(text).version) == ARGV[i + 1] then
    forget(ARGV[i])
    if ARGV[3] ~= '' then
      redis.call('UNLINK', ARGV[3] .. ARGV[i])
    end
    record('c', { 'e', ARGV[i], 'v', number(redis.call('HINCRBY', STATE, 'version', 1)) })
    table.insert(dropped, ARGV[i])
  end
end
return dropped
