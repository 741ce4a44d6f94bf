"""What the streams hold and how far each group is; trimming takes nothing that a group has yet to read or acknowledge.

Each call asks and acts in one step, so that a group which begins or moves meanwhile is not overlooked.
"""

from datetime import timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis

from outbox.lua import FIELDS
from qulab.cache import keys

TRIM_LIMIT = 10_000  # entries that one call trims: it must not hold Redis for long
MOST_COUNTED = 1_000  # entries: counting them reads them
CONSUMER_IDLE = timedelta(days=1)

# KEYS: set of streams. ARGV: how a key of lost entries begins (its stream follows), one of dead letters (its group).
LOOK = (
    FIELDS
    + """
local all, dead = {}, {}
for _, stream in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('TYPE', stream).ok == 'stream' then
    local told = {}
    for _, group in ipairs(groups(stream)) do
      told[#told + 1] = {group['name'], group['consumers'], group['pending'], group['lag'] or -1}
      dead[group['name']] = redis.call('XLEN', ARGV[2] .. group['name'])
    end
    all[#all + 1] = {stream, redis.call('XLEN', stream), told, redis.call('HGETALL', ARGV[1] .. stream)}
  end
end
local letters = {}
for group, length in pairs(dead) do letters[#letters + 1] = {group, length} end
return {all, letters}
"""
)

# What a group needs: the first entry that it has not acknowledged, and the first that it has not read.
# KEYS: stream. ARGV: the entry id before which all may go; "~", "=" or "?", which only counts; most entries to trim;
# most to count. Returns how many went, how many that are old enough were kept, and which groups need them.
TRIM = (
    FIELDS
    + """
local function less(one, other)
  local ms, seq = string.match(one, '(%d+)-(%d+)')
  local other_ms, other_seq = string.match(other, '(%d+)-(%d+)')
  if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
  return tonumber(seq) < tonumber(other_seq)
end
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return {0, 0, {}} end
local before, holders = ARGV[1], {}
for _, group in ipairs(groups(KEYS[1])) do
  local needs = redis.call('XPENDING', KEYS[1], group['name'])[2]
  local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  if unread and (not needs or less(unread[1], needs)) then needs = unread[1] end
  if needs and less(needs, ARGV[1]) then
    holders[#holders + 1] = group['name']
    if less(needs, before) then before = needs end
  end
end
local trimmed = 0
if ARGV[2] == '~' then
  trimmed = redis.call('XTRIM', KEYS[1], 'MINID', '~', before, 'LIMIT', ARGV[3])
elseif ARGV[2] == '=' then
  trimmed = redis.call('XTRIM', KEYS[1], 'MINID', '=', before)
else
  trimmed = #redis.call('XRANGE', KEYS[1], '-', '(' .. before, 'COUNT', ARGV[4])
end
local kept = 0
if #holders > 0 then kept = #redis.call('XRANGE', KEYS[1], before, '(' .. ARGV[1], 'COUNT', ARGV[4]) end
return {trimmed, kept, holders}
"""
)

# A consumer that has something pending keeps it; only this call knows that it has nothing. KEYS: stream. ARGV: idle.
DISMISS = (
    FIELDS
    + """
local gone = 0
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return gone end
for _, group in ipairs(groups(KEYS[1])) do
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group['name'])) do
    local consumer = fields(flat)
    if consumer['pending'] == 0 and consumer['idle'] > tonumber(ARGV[1]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group['name'], consumer['name'])
      gone = gone + 1
    end
  end
end
return gone
"""
)


class GroupState(msgspec.Struct, frozen=True):
    """How far a group is in one stream. `lag`: entries it has not read, None where Redis cannot tell.

    `trimmed`: entries that it had not acknowledged when they were trimmed away, since Redis began to count.
    """

    name: str
    consumers: int
    pending: int
    lag: int | None
    trimmed: int


class StreamState(msgspec.Struct, frozen=True):
    name: str
    length: int
    groups: list[GroupState]


class StreamsState(msgspec.Struct, frozen=True):
    """All streams that the relay wrote, and by group the number of its dead letters."""

    streams: list[StreamState]
    dead_letters: dict[str, int]


class Trimmed(msgspec.Struct, frozen=True):
    """What became of one stream. `kept`: entries old enough to go that `kept_for` need, counted up to MOST_COUNTED."""

    stream: str
    entries: int
    kept: int
    kept_for: list[str]


async def look(redis: Redis) -> StreamsState:
    """All of it as of one moment, in one call."""
    script = redis.register_script(LOOK)
    streams, dead_letters = await script(keys=[keys.STREAMS], args=[keys.trimmed(""), keys.dead_letters("")])
    return StreamsState(sorted((_state(*one) for one in streams), key=lambda one: one.name), dict(sorted(dead_letters)))


async def trim(redis: Redis, *, older_than: timedelta, dry_run: bool = False) -> list[Trimmed]:
    """Trim every stream to an age, by the clock of Redis, which made the ids. A dry run counts, up to MOST_COUNTED."""
    seconds, microseconds = await redis.time()
    before = max(0, seconds * 1000 + microseconds // 1000 - int(older_than.total_seconds() * 1000))
    names: Any = await redis.smembers(keys.STREAMS)
    return [await _trim(redis, stream, f"{before}-0", dry_run) for stream in sorted(names)]


async def dismiss_idle_consumers(redis: Redis, idle: timedelta = CONSUMER_IDLE) -> int:
    """Remove consumers that have nothing pending and were not heard for long; returns how many."""
    script = redis.register_script(DISMISS)
    names: Any = await redis.smembers(keys.STREAMS)
    return sum([await script(keys=[stream], args=[int(idle.total_seconds() * 1000)]) for stream in names])


async def _trim(redis: Redis, stream: str, before: str, dry_run: bool) -> Trimmed:
    script = redis.register_script(TRIM)

    async def call(how: str) -> tuple[int, int, list[str]]:
        trimmed, kept, holders = await script(keys=[stream], args=[before, how, TRIM_LIMIT, MOST_COUNTED])
        return trimmed, kept, holders

    total = 0
    while not dry_run and (trimmed := (await call("~"))[0]):  # whole nodes first, some at a time
        total += trimmed
    trimmed, kept, holders = await call("?" if dry_run else "=")  # then less than a node is left
    return Trimmed(stream, total + trimmed, kept, sorted(holders))


def _state(name: str, length: int, groups: list[Any], lost: list[str]) -> StreamState:
    trimmed = dict(zip(lost[::2], lost[1::2], strict=True))
    return StreamState(
        name,
        length,
        [
            GroupState(group, consumers, pending, lag if lag >= 0 else None, int(trimmed.get(group, 0)))
            for group, consumers, pending, lag in groups
        ],
    )
