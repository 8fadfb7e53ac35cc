#!lua flags=allow-oom
-- With compare_ids.lua put before it, for below().
--
-- Begins a reading session: makes a consumer group where those of its family had got to, and destroys
-- theirs, which ends their reads. In one step: of two that begin at once, the second continues the
-- first, and no group is left that nobody reads.
--
-- Runs when memory is full, too: else a partition would stand still until somebody frees memory.
--
-- KEYS[1]  the stream
-- KEYS[2]  what reading is bound to, or the stream again if it is bound to nothing
-- ARGV[1]  the family: its groups are named so, or begin with it and a colon
-- ARGV[2]  the name of the new group
-- ARGV[3]  what KEYS[2] must hold, or an empty string
-- ARGV[4]  seconds until the stream vanishes unless somebody extends that, or an empty string
-- ARGV[5]  the group that the same reader made before, or an empty string
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

local wasCreated = 1 - redis.call('EXISTS', KEYS[1])
local position, finished, first, lastOfOther
local last = ''
local predecessors = {}
if wasCreated == 0 then
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for index = 1, #fields, 2 do group[fields[index]] = fields[index + 1] end
    if group.name == ARGV[1] or string.sub(group.name, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then
      table.insert(predecessors, group.name)
      local delivered = group['last-delivered-id']
      local reached = delivered
      if group.pending > 0 then
        local oldest = redis.call('XPENDING', KEYS[1], group.name)[2]
        reached = predecessor(oldest)
        if group.name ~= ARGV[5] then
          if not first or below(oldest, first) then first = oldest end
          if not lastOfOther or below(lastOfOther, delivered) then lastOfOther = delivered end
        end
      end
      if last == '' or below(last, delivered) then last = delivered end
      if not position or below(reached, position) then
        position = reached
        finished = group['entries-read'] and math.max(0, group['entries-read'] - group.pending)
      end
    end
  end
end

local command = {'XGROUP', 'CREATE', KEYS[1], ARGV[2], position or '0', 'MKSTREAM'}
if finished then
  table.insert(command, 'ENTRIESREAD')
  table.insert(command, string.format('%.0f', finished))
end
redis.call(unpack(command))
if ARGV[4] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
for _, name in ipairs(predecessors) do redis.call('XGROUP', 'DESTROY', KEYS[1], name) end
return {'begun', wasCreated, last, first or '', lastOfOther or ''}
