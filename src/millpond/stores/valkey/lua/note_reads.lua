-- ARGV: epoch, nonce, name, count, name, count, ...
if redis.call('HGET', STATE, 'epoch') == EPOCH then
  note_reads(3, #ARGV)
end
return 0
