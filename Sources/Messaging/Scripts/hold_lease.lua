#!lua flags=allow-oom
-- Extends a partition's lease, or takes it if nobody holds it.
--
-- Runs when memory is full, too: who owns a partition then must not lose it, and where an owner dies
-- another must be able to take over.
--
-- KEYS[1]  lease:{pN}
-- ARGV[1]  the token of whoever wants it
-- ARGV[2]  milliseconds until the lease lapses
--
-- Answers the token of whoever holds the lease now.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  holder = ARGV[1]
end
return holder
