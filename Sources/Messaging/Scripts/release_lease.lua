-- Releases a partition's lease, unless another instance holds it by now.
--
-- KEYS[1]  lease:{pN}
-- ARGV[1]  the token of the holder
--
-- Answers 1 if the lease was released, 0 if the token did not hold it.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
