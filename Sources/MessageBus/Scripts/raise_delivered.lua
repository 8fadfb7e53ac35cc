#!lua
-- With compare_ids.lua put before it, for below().
--
-- Notes that the positions of all messages up to an offset of a user's mailbox are on the bus.
--
-- KEYS[1]  positions:{user}; see advance_position.lua
-- ARGV[1]  the offset
-- ARGV[2]  seconds by which the key outlives the last write
--
-- Answers the highest offset so noted.
local highest = redis.call('HGET', KEYS[1], '!delivered')
if not highest or below(highest, ARGV[1]) then
  highest = ARGV[1]
  redis.call('HSET', KEYS[1], '!delivered', highest)
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return highest
