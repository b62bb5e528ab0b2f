-- Strike mirrors off: those that leave, and those that have not renewed since they were looked at.
-- ARGV: epoch, nonce, then for each: mirror, what it said when it was looked at ('' for whatever it says)
if redis.call('HGET', STATE, 'epoch') ~= EPOCH then
  return 0
end
local parted = 0
for i = 3, #ARGV, 2 do
  local says = redis.call('HGET', MIRRORS, ARGV[i])
  if says and (ARGV[i + 1] == '' or ARGV[i + 1] == says) then
    redis.call('HDEL', MIRRORS, ARGV[i])
    redis.call('HINCRBY', STATE, 'mirrors', -1)
    parted = parted + 1
  end
end
return parted
