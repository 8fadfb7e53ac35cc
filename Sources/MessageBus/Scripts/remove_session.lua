-- Removes a device's session, unless the device has connected again since.
--
-- KEYS[1]  session:{user}, a hash of device -> gateway/connection
-- ARGV[1]  the device
-- ARGV[2]  the gateway/connection that is gone
--
-- Answers 1 if the session was removed, 0 if another one holds the device or none does.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
