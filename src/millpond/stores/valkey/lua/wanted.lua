-- Which of the seeds are later than what is there.
-- ARGV: epoch, nonce, then for each: name, rendered_at, generation, build. Returns: their positions, from 1
local wanted, floor = {}, field('floor')
for i = 3, #ARGV, 4 do
  local text = redis.call('HGET', INDEX, ARGV[i])
  local held = text and unpack_kept(text)
  local rendered_at, generation = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if generation >= floor and not (held and outlives_seed(held, rendered_at, generation, ARGV[i + 3])) then
    table.insert(wanted, (i - 3) / 4 + 1)
  end
end
return wanted
