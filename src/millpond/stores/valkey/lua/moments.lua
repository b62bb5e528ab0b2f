-- What the counter was when: for seeds. Returns: generation, base, when each invalidation since base happened
return { field('generation'), field('base'), redis.call('LRANGE', MOMENTS, 0, -1) }
