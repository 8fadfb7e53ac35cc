#!lua flags=allow-oom
-- With compare_ids.lua put before it, for below().
--
-- Begins a reading session: makes its two consumer groups where those of its family had finished, and
-- destroys theirs, which ends their reads. In one step: of two that begin at once, the second continues
-- the first, and no group is left that nobody reads.
--
-- A session reads with its group SESSION:reading, and everything up to its group SESSION:finished is
-- finished that it has read (see GroupNames.swift). If only the latter is left, it says where to go on; if
-- only the former, nothing does. Releases before 0.4 have one group of another name, in which what they have
-- not finished is pending. They take these two for groups of their own, and begin at the lower.
--
-- Runs when memory is full, too: else a partition would stand still until somebody frees memory.
--
-- KEYS[1]  the stream
-- KEYS[2]  what reading is bound to, or the stream again if it is bound to nothing
-- ARGV[1]  the family: its groups are named so, or begin with it and a colon
-- ARGV[2]  the name of the new session
-- ARGV[3]  what KEYS[2] must hold, or an empty string
-- ARGV[4]  seconds until the stream vanishes unless somebody extends that, or an empty string
-- ARGV[5]  the session that the same reader had before, or an empty string
--
-- Answers {'lapsed'} or {'replaced'} if KEYS[2] is gone or somebody else's, and nothing was done. Else
-- {'begun', 1 if the stream was not there, the last entry that any of the family had read, the first
-- entry that another reader had read and not finished, the last that it had read}; entries that there
-- are none of are empty strings.

-- A number above 0 less 1, as digits: numbers in Lua are exact to 2^53 only, and an id may be any.
local function decremented(number)
  local head, digit, zeros = string.match(number, '^(%d-)([1-9])(0*)$')
  return (string.gsub(head .. (digit - 1) .. string.rep('9', #zeros), '^0+(%d)', '%1'))
end

local function predecessor(id)
  local milliseconds, sequence = string.match(id, '^(%d+)-(%d+)$')
  if sequence ~= '0' then return milliseconds .. '-' .. decremented(sequence) end
  if milliseconds ~= '0' then return decremented(milliseconds) .. '-18446744073709551615' end
  return id
end

if ARGV[3] ~= '' then
  local holder = redis.call('GET', KEYS[2])
  if not holder then return {'lapsed'} end
  if holder ~= ARGV[3] then return {'replaced'} end
end

-- The first entry above one, up to another.
local function firstBetween(low, high)
  local found = redis.call('XRANGE', KEYS[1], '(' .. low, high, 'COUNT', 1)[1]
  return found and found[1]
end

local wasCreated = 1 - redis.call('EXISTS', KEYS[1])
local family = {}
if wasCreated == 0 then
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for index = 1, #fields, 2 do group[fields[index]] = fields[index + 1] end
    if group.name == ARGV[1] or string.sub(group.name, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then
      family[group.name] = group
    end
  end
end

-- Where a session goes on that follows this group: what was finished, how many entries that were since the stream
-- was made, and the first that was only read. The latter two may be nil or false.
local function progress(group)
  local delivered, count = group['last-delivered-id'], group['entries-read']
  local session = string.match(group.name, '^(.*):reading$')
  if session then
    local finished = family[session .. ':finished']
    finished = finished and finished['last-delivered-id'] or '0-0'
    -- A replica that took over may know less of what was read, and has what came since below what was finished.
    if not below(finished, delivered) then return delivered, count end
    return finished, nil, firstBetween(finished, delivered)
  end
  if group.pending == 0 then return delivered, count end
  local oldest = redis.call('XPENDING', KEYS[1], group.name)[2]
  return predecessor(oldest), nil, oldest
end

local position, count, first, lastOfOther
local last = ''
for name, group in pairs(family) do
  local session = string.match(name, '^(.*):finished$')
  if not (session and family[session .. ':reading']) then
    local delivered = group['last-delivered-id']
    local reached, reachedCount, oldest = progress(group)
    if oldest and name ~= ARGV[5] .. ':reading' then
      if not first or below(oldest, first) then first = oldest end
      if not lastOfOther or below(lastOfOther, delivered) then lastOfOther = delivered end
    end
    if last == '' or below(last, delivered) then last = delivered end
    if not position or below(reached, position) then
      position, count = reached, reachedCount
    end
  end
end

for _, ending in ipairs({':reading', ':finished'}) do
  local command = {'XGROUP', 'CREATE', KEYS[1], ARGV[2] .. ending, position or '0', 'MKSTREAM'}
  if count and count < 9007199254740992 then
    table.insert(command, 'ENTRIESREAD')
    table.insert(command, string.format('%.0f', count))
  end
  redis.call(unpack(command))
end
if ARGV[4] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
for name in pairs(family) do redis.call('XGROUP', 'DESTROY', KEYS[1], name) end
return {'begun', wasCreated, last, first or '', lastOfOther or ''}
