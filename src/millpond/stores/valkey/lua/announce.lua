-- Tell the mirrors that an entry has another version by now.
-- ARGV: epoch, nonce, name, version
if redis.call('HGET', STATE, 'epoch') ~= EPOCH then
  return 0
end
return record('c', { 'e', ARGV[3], 'v', ARGV[4] })
