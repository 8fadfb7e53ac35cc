#!lua flags=allow-oom
-- With compare_ids.lua and displace_devices.lua put before it, for below() and displace().
--
-- Removes from a mailbox what no device needs any more, and what is too old; forgets devices that
-- were not seen for as long. Runs when memory is full, too: it is what frees some.
--
-- KEYS[1]  mailbox:{user}, a stream
-- KEYS[2]  cursor:{user}, a hash of device -> "<offset> <seconds since 1970 when it was last seen>",
--          of !removed -> the highest offset that was ever removed, and of !displaced
-- KEYS[3]  session:{user}, a hash of device -> gateway/connection
-- ARGV[1]  how many of the newest acked entries stay
-- ARGV[2]  retention in seconds, for entries and for devices
-- ARGV[3]  1 if all acked entries may go, whatever ARGV[1] says: the mailbox is full
-- ARGV[4]  how many entries one call removes at most
-- ARGV[5]  seconds by which the keys outlive the retention
-- ARGV[6]  how many devices are looked at in one call; of a user who has more, as data of earlier releases
--          may, some are forgotten first
--
-- Answers {the length now, how many entries were removed, the bytes of their values, how many devices
-- were forgotten if there are still too many: then another call forgets more}.
local mailbox, cursor = KEYS[1], KEYS[2]
local history, retention = tonumber(ARGV[1]), tonumber(ARGV[2])
local maximum, slack = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = tonumber(redis.call('TIME')[1])

local crowd, forgotten = unpack(displace(cursor, KEYS[3], tonumber(ARGV[6]), ''))

-- How far all devices have acked; nil if none is known, or too many are, and so nothing is acked.
local acked, removed
local fields = {'!removed', redis.call('HGET', cursor, '!removed') or ''}
if crowd == 0 then fields = redis.call('HGETALL', cursor) end
for index = 1, #fields, 2 do
  local device, value = fields[index], fields[index + 1]
  if device == '!removed' then
    removed = string.match(value, '^%d+%-?%d*$')
  elseif string.sub(device, 1, 1) ~= '!' then
    local time, number = string.match(value, '^(%d+)%-?(%d*)')
    local offset = (time or '0') .. '-' .. (number and number ~= '' and number or '0')
    local seen = tonumber(string.match(value, ' (%d+)$'))
    if seen and seen < now - retention then
      redis.call('HDEL', cursor, device)
    else
      -- A value of unknown age counts from now on.
      if not seen then redis.call('HSET', cursor, device, offset .. ' ' .. now) end
      if not acked or below(offset, acked) then acked = offset end
    end
  end
end

-- What goes is always the oldest entries: the acked ones, the old ones, or the longer of both.
local length = redis.call('XLEN', mailbox)
local going = {}
if acked then
  local surplus = length - history
  if ARGV[3] == '1' then
    surplus = maximum
  elseif surplus > 0 then
    -- Of those above the history, as many stay as there are unacked ones. With very many of those
    -- (one call counts only so far) acked ones stay, too, until the mailbox is full.
    surplus = math.min(surplus, maximum + 1)
    local rest = redis.call('XRANGE', mailbox, acked, '+', 'COUNT', surplus + 1)
    surplus = surplus - #rest
    if rest[1] and rest[1][1] == acked then surplus = surplus + 1 end
  end
  surplus = math.min(surplus, maximum)
  if surplus > 0 then
    going = redis.call('XRANGE', mailbox, '-', acked, 'COUNT', surplus)
  end
end
if now > retention then
  local oldest = string.format('%.0f', (now - retention) * 1000 - 1)
  local old = redis.call('XRANGE', mailbox, '-', oldest, 'COUNT', maximum)
  if #old > #going then going = old end
end

if #going > 0 then
  local last = going[#going][1]
  if not removed or below(removed, last) then redis.call('HSET', cursor, '!removed', last) end
  length = length - #going
  redis.call('XTRIM', mailbox, 'MAXLEN', length)
end
-- The keys outlive every repeat of an entry that stood in them.
redis.call('EXPIRE', mailbox, retention + slack)
redis.call('EXPIRE', cursor, retention + slack)
local bytes = 0
for _, entry in ipairs(going) do
  for index = 2, #entry[2], 2 do bytes = bytes + #entry[2][index] end
end
return {length, #going, bytes, crowd > 0 and forgotten or 0}
