"""The atomic steps of the Redis store, in Lua.

Amounts are whole billionths written as decimal digits: Redis adds and subtracts them as 64-bit integers, and the
scripts compare them as text, since Lua would convert them to doubles. Every script on an account gets all keys of the
account; a hash tag keeps them in one slot of a cluster.
"""

ACCOUNT_KEYS = (
    "account",
    "holds",
    "terms",
    "hits",
    "charges",
    "charged",
    "tasks",
    "made",
    "due",
    "deliveries",
    "sent",
    "calls",
    "leases",
)
"""The keys of one account, in the order in which the scripts get them; each stands after the hash tag.

- `account`: its amounts and limit; `holds`, `terms`: amount and end of each reservation; `hits`: recent requests.
- `charges`: the charges; `charged`: the place of each request's charge.
- `tasks`: the tasks; `made`: their order; `due`: the ends of those that are not settled.
- `deliveries`: the callbacks; `sent`: their order; `calls`: when to make those that wait; `leases`: ends of the claims.
"""

_PRELUDE = (
    f"local {', '.join(ACCOUNT_KEYS)} = unpack(KEYS)\n"
    + """
local call = redis.call
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function open()
  if call('EXISTS', account) == 1 then return 0 end
  call('HSET', account, 'currency', ARGV[1], 'balance', ARGV[2], 'reserved', '0', 'spent', '0', 'rpm', ARGV[3])
  return 1
end
local function covers(amount)
  local balance = call('HGET', account, 'balance')
  return balance and balance ~= '0' and not less(balance, amount)
end
local function take(field, amount)
  if amount ~= '0' then call('HINCRBY', account, field, '-' .. amount) end
end
local function settle(request, spent)
  local held = call('HGET', holds, request)
  if not held then return false end
  call('HDEL', holds, request)
  call('HDEL', terms, request)
  take('reserved', held)
  call('HINCRBY', account, 'balance', held)
  take('balance', spent)
  call('HINCRBY', account, 'spent', spent)
  return true
end
local function book(request, row)
  local now = call('TIME')
  call('HSET', charged, request, call('XADD', charges, '*', 'at', now[1] * 1000000 + now[2], 'row', row))
end
local function put_delivery(id, text, at, state)
  call('ZADD', sent, 'NX', call('HLEN', deliveries), id)
  call('HSET', deliveries, id, text)
  call('HDEL', leases, id)
  if state == 'waiting' or state == 'held' then call('ZADD', calls, at, id) else call('ZREM', calls, id) end
end
"""
)

_ON_ACCOUNTS = {
    "open": """
local opened = open()
return {opened, unpack(call('HMGET', account, 'currency', 'balance', 'reserved', 'spent', 'rpm'))}
""",
    "change": """
local opened = open()
for i = 4, #ARGV, 2 do call('HSET', account, ARGV[i], ARGV[i + 1]) end
return {opened, unpack(call('HMGET', account, 'currency', 'balance', 'reserved', 'spent', 'rpm'))}
""",
    "admit": """
local opened = open()
local balance, rpm = unpack(call('HMGET', account, 'balance', 'rpm'))
if rpm == '' then return {opened, balance, '', '0'} end
if rpm == '0' then return {opened, balance, rpm, ARGV[5]} end
local oldest = call('LINDEX', hits, tonumber(rpm) - 1)
local wait = oldest and tonumber(oldest) + tonumber(ARGV[5]) - tonumber(ARGV[4]) or 0
if wait > 0 then return {opened, balance, rpm, string.format('%.6f', wait)} end
call('LPUSH', hits, ARGV[4])
call('LTRIM', hits, 0, tonumber(rpm) - 1)
return {opened, balance, rpm, '0'}
""",
    "reserve": """
local opened = open()
if not covers(ARGV[5]) then return {opened, 'short'} end
take('balance', ARGV[5])
call('HINCRBY', account, 'reserved', ARGV[5])
call('HSET', holds, ARGV[4], ARGV[5])
if ARGV[6] ~= '' then call('HSET', terms, ARGV[4], ARGV[6]) end
return {opened, 'ok'}
""",
    "release": """
if call('HEXISTS', terms, ARGV[1]) == 1 then settle(ARGV[1], '0') end
""",
    "expire": """
local all = call('HGETALL', terms)
for i = 1, #all, 2 do
  if tonumber(all[i + 1]) < tonumber(ARGV[1]) then settle(all[i], '0') end
end
""",
    "charge": """
if ARGV[3] == 'held' then
  if not settle(ARGV[1], ARGV[2]) then return 'unheld' end
else
  if not covers(ARGV[2]) then return 'short' end
  take('balance', ARGV[2])
  call('HINCRBY', account, 'spent', ARGV[2])
end
book(ARGV[1], ARGV[4])
return 'ok'
""",
    "add_task": """
call('ZADD', made, 'NX', call('HLEN', tasks), ARGV[1])
call('HSET', tasks, ARGV[1], ARGV[2])
call('ZADD', due, ARGV[3], ARGV[1])
call('HDEL', terms, ARGV[4])
""",
    "finished_tasks": """
local found = {}
for _, id in ipairs(call('ZRANGEBYSCORE', due, '-inf', ARGV[1])) do found[#found + 1] = call('HGET', tasks, id) end
return found
""",
    "finish_task": """
if call('ZREM', due, ARGV[1]) == 0 then return 0 end
call('HSET', tasks, ARGV[1], ARGV[2])
if settle(ARGV[3], ARGV[4]) and ARGV[5] ~= '' then book(ARGV[3], ARGV[5]) end
for i = 6, #ARGV, 4 do put_delivery(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
return 1
""",
    "tasks": """
local found = {}
for _, id in ipairs(call('ZREVRANGE', made, 0, ARGV[1] - 1)) do found[#found + 1] = call('HGET', tasks, id) end
return found
""",
    "claim": """
for _, id in ipairs(call('ZRANGEBYSCORE', calls, '-inf', ARGV[1])) do
  local lease = call('HGET', leases, id)
  if not lease or tonumber(lease) < tonumber(ARGV[2]) then
    call('HSET', leases, id, ARGV[3])
    return call('HGET', deliveries, id)
  end
end
return false
""",
    "put_delivery": """
put_delivery(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
""",
    "deliveries": """
local found = {}
for _, id in ipairs(call('ZRANGE', sent, 0, -1)) do found[#found + 1] = call('HGET', deliveries, id) end
return found
""",
    "work": """
return call('ZCARD', due) + call('ZCARD', calls)
""",
}

SCRIPTS = {name: _PRELUDE + text for name, text in _ON_ACCOUNTS.items()} | {
    # Keys: the entries, the sum of their bytes, how many were written. Arguments: largest number of entries, of bytes,
    # the new entry.
    "record": """
redis.call('LPUSH', KEYS[1], ARGV[3])
redis.call('INCR', KEYS[3])
local bytes = redis.call('INCRBY', KEYS[2], #ARGV[3])
while redis.call('LLEN', KEYS[1]) > tonumber(ARGV[1]) or bytes > tonumber(ARGV[2]) do
  local old = redis.call('RPOP', KEYS[1])
  if not old then break end
  bytes = redis.call('DECRBY', KEYS[2], #old)
end
""",
    # Keys: the entries, how many were written. Arguments: how many were written when the reading began, or '' for now;
    # how many of these to skip, how many to return.
    "journal_page": """
local written = redis.call('GET', KEYS[2]) or '0'
local first = ARGV[2] + (ARGV[1] == '' and 0 or written - ARGV[1])
return {written, unpack(redis.call('LRANGE', KEYS[1], first, first + ARGV[3] - 1))}
""",
    # Keys: the data, their sizes, when each was used (a counter), the sum of the sizes, the counter.
    # Arguments: digest, data, largest sum.
    "keep": """
local turn = redis.call('INCR', KEYS[5])
redis.call('ZADD', KEYS[3], turn, ARGV[1])
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], #ARGV[2])
local total = redis.call('INCRBY', KEYS[4], #ARGV[2])
while total > tonumber(ARGV[3]) do
  local old = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if old == ARGV[1] then break end
  total = redis.call('DECRBY', KEYS[4], redis.call('HGET', KEYS[2], old))
  redis.call('HDEL', KEYS[1], old)
  redis.call('HDEL', KEYS[2], old)
  redis.call('ZREM', KEYS[3], old)
end
""",
    # Keys: the shared state, the faults, the times that are left of each. Arguments: id, fault, times or '' for each.
    "set_faults": """
redis.call('HINCRBY', KEYS[1], 'plan', 1)
redis.call('DEL', KEYS[2], KEYS[3])
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] ~= '' then redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 2]) end
end
""",
    # Keys: the times that are left of each fault. Argument: the id.
    "use_fault": """
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') <= 0 then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
return 1
""",
    # Keys: the shared state. Argument: seconds, or '' to reset.
    "move_clock": """
if ARGV[1] == '' then redis.call('HSET', KEYS[1], 'offset', '0') return '0' end
return redis.call('HINCRBYFLOAT', KEYS[1], 'offset', ARGV[1])
""",
}
