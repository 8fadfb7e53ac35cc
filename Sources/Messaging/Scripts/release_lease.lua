-- Gives a partition's lease up, unless somebody else holds it by now.
--
-- KEYS[1]  lease:{pN}
-- ARGV[1]  the token of whoever gives it up
--
-- Answers 1 if the lease was given up, 0 if it was not the token's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
