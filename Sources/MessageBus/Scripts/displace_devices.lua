-- displace(cursor, session, maximum, own): forgets devices of a user beyond `maximum`, first those that
-- were not seen for longest; never one that is connected, and not the device `own`. Notes that it did so
-- in the field !displaced of the cursors. It looks at 512 devices, at random where there are more: then it
-- is to be called again.
--
-- Answers {how many devices are left beyond the maximum, how many were forgotten}.
local function displace(cursor, session, maximum, own)
  local excess = redis.call('HLEN', cursor) - maximum
  if excess <= 0 then return {0, 0} end
  excess = excess - redis.call('HEXISTS', cursor, '!removed')
    - redis.call('HEXISTS', cursor, '!displaced')
  if excess <= 0 then return {0, 0} end
  local fields = redis.call('HRANDFIELD', cursor, 512, 'WITHVALUES')
  local away = {}
  for index = 1, #fields, 2 do
    local device = fields[index]
    if string.sub(device, 1, 1) ~= '!' and device ~= own
      and redis.call('HEXISTS', session, device) == 0
    then
      local seen = tonumber(string.match(fields[index + 1], ' (%d+)$')) or 0
      table.insert(away, {seen, device})
    end
  end
  table.sort(away, function(left, right) return left[1] < right[1] end)
  local gone = math.min(excess, #away)
  for index = 1, gone do redis.call('HDEL', cursor, away[index][2]) end
  -- In the form of a device that was seen long ago: a release that does not know the field forgets it.
  if gone > 0 then redis.call('HSET', cursor, '!displaced', '0-0 1') end
  return {excess - gone, gone}
end
