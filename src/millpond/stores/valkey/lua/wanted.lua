-- Which of the seeds are later than what is there.
-- ARGV: epoch, nonce, then for each: name, rendered_at, generation. Returns: their positions, from 1
local wanted, floor = {}, field('floor')
for i = 3, #ARGV, 3 do
  local text = redis.call('HGET', INDEX, ARGV[i])
  local held = text and unpack_kept(text)
  local rendered_at, generation = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if generation >= floor and not (held and (held.rendered_at >= rendered_at or held.generation > generation)) then
    table.insert(wanted, (i - 3) / 3 + 1)
  end
end
return wanted
