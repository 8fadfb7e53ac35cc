#!lua flags=allow-oom
-- Acquires a partition's lease if nobody holds it, or renews it for its holder.
--
-- Runs when memory is full, too: a holder must be able to renew its lease then, and where one dies
-- another instance must be able to acquire it.
--
-- KEYS[1]  lease:{pN}
-- ARGV[1]  the token of the instance that is to hold it
-- ARGV[2]  milliseconds until the lease lapses
--
-- Answers the token of the holder then.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  holder = ARGV[1]
end
return holder
