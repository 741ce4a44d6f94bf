"""Redis answers XINFO in flat lists whose order is not promised: scripts that begin with FIELDS read them by name."""

FIELDS = """
local function fields(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end
local function groups(stream)
  local all = {}
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do all[#all + 1] = fields(flat) end
  return all
end
"""
