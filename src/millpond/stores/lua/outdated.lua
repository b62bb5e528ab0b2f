-- Take entries out of the index whose frames have run out, or were evicted by the server.
-- ARGV: epoch, nonce, then for each: name, version of the frame that isn't there
if redis.call('HGET', STATE, 'epoch') ~= EPOCH then
  return 0
end
local gone = 0
for i = 3, #ARGV, 2 do
  local text = redis.call('HGET', INDEX, ARGV[i])
  if text and number(unpack_kept(text).version) == ARGV[i + 1] then
    forget(ARGV[i])
    gone = gone + 1
  end
end
return gone
