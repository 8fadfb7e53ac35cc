#!lua flags=allow-oom
-- With displace_devices.lua put before it, for displace().
--
-- Keeps the number of a user's devices within its limit when one connects: others that are not connected
-- are forgotten for it. If there are none, and the device is new, the device is.
--
-- KEYS[1]  cursor:{user}, a hash of device -> "<offset> <seconds since 1970 when it was last seen>"
-- KEYS[2]  session:{user}, a hash of device -> gateway/connection
-- ARGV[1]  the device that connects, which is in both
-- ARGV[2]  its gateway/connection
-- ARGV[3]  how many devices a user may have
-- ARGV[4]  1 if the device was not known before
--
-- Answers {1 if the device may stay, how many others were forgotten}.
local cursor, session, own = KEYS[1], KEYS[2], ARGV[1]
local left, gone = unpack(displace(cursor, session, tonumber(ARGV[3]), own))
if left == 0 or gone > 0 or ARGV[4] ~= '1' then return {1, gone} end
redis.call('HDEL', cursor, own)
if redis.call('HGET', session, own) == ARGV[2] then redis.call('HDEL', session, own) end
return {0, 0}
