#!lua flags=allow-oom
-- With compare_ids.lua put before it, for below().
--
-- Erases what is kept for a user, a part at a time: call it again while it says that entries are left.
-- Runs when memory is full, too: it is what frees some.
--
-- The mailbox is emptied and not deleted, so that it keeps its top: what the bus repeats is refused by
-- it, and known as removed by !removed. Both keys go by themselves, later than any repeat can come.
--
-- KEYS[1]  mailbox:{user}, a stream
-- KEYS[2]  cursor:{user}, a hash of device -> position, and of !removed -> the highest offset that was
--          ever removed
-- KEYS[3]  session:{user}, a hash of device -> gateway/connection
-- KEYS[4]  positions:{user}, a hash of peer -> position
-- ARGV[1]  how many entries one call removes at most
-- ARGV[2]  after how many seconds the keys go, unless somebody writes to them
--
-- Answers {how many entries are left, how many were removed}.
local mailbox, cursor, session = KEYS[1], KEYS[2], KEYS[3]
local maximum, life = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Read before anything is written: a key of another type ends it here, and nothing is half done.
local length, top = 0, nil
if redis.call('EXISTS', mailbox) == 1 then
  local information = redis.call('XINFO', 'STREAM', mailbox)
  for index = 1, #information, 2 do
    if information[index] == 'length' then length = information[index + 1] end
    if information[index] == 'last-generated-id' then top = information[index + 1] end
  end
end
local fields = redis.call('HGETALL', cursor)
redis.call('HEXISTS', session, '')
redis.call('HEXISTS', KEYS[4], '')

local removed
for index = 1, #fields, 2 do
  local field, value = fields[index], fields[index + 1]
  local offset = field == '!removed' and string.match(value, '^%d+%-?%d*$')
  if offset then removed = offset else redis.call('HDEL', cursor, field) end
end
if top and top ~= '0-0' and (not removed or below(removed, top)) then
  redis.call('HSET', cursor, '!removed', top)
end

-- Exactly the oldest ones, since what is left keeps its order and its place.
local left = math.max(0, length - maximum)
if length > 0 then redis.call('XTRIM', mailbox, 'MAXLEN', left) end
redis.call('DEL', session, KEYS[4])
redis.call('EXPIRE', mailbox, life)
redis.call('EXPIRE', cursor, life)
return {left, length - left}
