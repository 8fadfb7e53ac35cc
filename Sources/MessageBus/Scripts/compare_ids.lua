-- below(left, right): whether one id of a stream is below another one.
--
-- Numbers in Lua are exact to 2^53 only, ids have twice 64 bits: they are compared as digits.
local function digits(text) return (string.gsub(text, '^0+', '')) end
local function less(a, b) return #a < #b or (#a == #b and a < b) end
local function below(left, right)
  local leftTime, leftNumber = string.match(left, '^(%d+)%-?(%d*)$')
  local rightTime, rightNumber = string.match(right, '^(%d+)%-?(%d*)$')
  leftTime, rightTime = digits(leftTime), digits(rightTime)
  if leftTime ~= rightTime then return less(leftTime, rightTime) end
  return less(digits(leftNumber), digits(rightNumber))
end
