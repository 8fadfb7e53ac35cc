#!lua
-- With compare_ids.lua put before it, for below().
--
-- Moves a row of a user's positions forward, and gives it the next stamp if it moved. Offsets that are not
-- above those of the row change nothing, so it may be called twice.
--
-- Writes in any case: whoever asks behind it how many replicas have that is told of the row, too.
--
-- KEYS[1]  positions:{user}, a hash of peer -> "<delivered> <read> <mine> <stamp>", of !top -> the highest
--          stamp, of !floor, of !delivered, and of !swept -> when rows were last removed
-- KEYS[2]  session:{user}, a hash of device -> gateway/connection
-- ARGV[1]  the peer
-- ARGV[2]  how far the user's messages are delivered to the peer: an offset, 0-0 for nothing new
-- ARGV[3]  how far the peer has read them; makes no row
-- ARGV[4]  how far the user has read the peer's
-- ARGV[5]  how many rows a user may have
-- ARGV[6]  seconds for which a row is kept that does not move
-- ARGV[7]  seconds by which the key outlives the last write
--
-- Answers {1 if the row moved, else 0; the top before; the row, or ''; the floor, or 0-0; then the devices of
-- KEYS[2], each with its value}.
local positions, peer = KEYS[1], ARGV[1]
local limit, kept = tonumber(ARGV[5]), tonumber(ARGV[6]) * 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function parts(row)
  return string.match(row, '^(%d+%-%d+) (%d+%-%d+) (%d+%-%d+) (%d+)$')
end

-- Removes other rows that have not moved for too long. If there are still too many, removes an eighth more
-- than that, so that the next row need not do the same: first those that say nothing of what the user has
-- read, then the others, the oldest first. The highest place read among the latter becomes the floor.
local function sweep(floor)
  local rows = {}
  local fields = redis.call('HGETALL', positions)
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 1) ~= '!' and fields[index] ~= peer then
      local _, _, mine, stamp = parts(fields[index + 1])
      table.insert(rows, {fields[index], mine or '0-0', tonumber(stamp or '0')})
    end
  end
  table.sort(rows, function(left, right)
    local leftRead, rightRead = left[2] ~= '0-0', right[2] ~= '0-0'
    if leftRead ~= rightRead then return rightRead end
    return left[3] < right[3]
  end)
  local excess = #rows >= limit and #rows - limit + math.ceil(limit / 8) or 0
  for index, row in ipairs(rows) do
    local isOld = row[3] < now - kept
    if index <= excess or isOld then
      redis.call('HDEL', positions, row[1])
      if not isOld and below(floor, row[2]) then floor = row[2] end
    end
  end
  if floor ~= '0-0' then redis.call('HSET', positions, '!floor', floor) end
  redis.call('HSET', positions, '!swept', string.format('%.0f', now))
  return floor
end

local before = redis.call('HMGET', positions, peer, '!top', '!swept', '!floor', '!delivered')
local row, top, swept = before[1], tonumber(before[2] or '0'), tonumber(before[3] or '0')
local floor = before[4] or '0-0'
local delivered, read, mine = '0-0', '0-0', '0-0'
if row then delivered, read, mine = parts(row) end
-- A row that somebody wrote by hand begins again.
if not delivered then delivered, read, mine = '0-0', '0-0', '0-0' end
local moved = 0
if below(delivered, ARGV[2]) then delivered, moved = ARGV[2], 1 end
if below(mine, ARGV[4]) then mine, moved = ARGV[4], 1 end
if below(read, ARGV[3]) and (row or moved == 1) then read, moved = ARGV[3], 1 end

if moved == 1 then
  local isFull = false
  if not row then
    local count = redis.call('HLEN', positions)
    for index = 2, 5 do if before[index] then count = count - 1 end end
    isFull = count >= limit
  end
  if isFull or swept < now - 86400000 then floor = sweep(floor) end
  local stamp = string.format('%.0f', math.max(top + 1, now))
  row = delivered .. ' ' .. read .. ' ' .. mine .. ' ' .. stamp
  redis.call('HSET', positions, peer, row, '!top', stamp)
end
redis.call('EXPIRE', positions, ARGV[7])

local answer = {moved, string.format('%.0f', top), row or '', floor}
for _, text in ipairs(redis.call('HGETALL', KEYS[2])) do table.insert(answer, text) end
return answer
