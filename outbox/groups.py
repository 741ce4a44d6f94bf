"""A group reads each entry that is there, and learns in the same step of those that were trimmed away before it could.

Redis says nothing of such a loss: it is the difference between what a stream ever had, what it holds, and what the
group has read. Lua compares and reads in one call, so that no entry is trimmed between the two.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings
from redis.asyncio import Redis

from outbox.lua import FIELDS
from qulab.cache import keys

logger = logging.getLogger(__name__)

READ_COUNT = 100  # entries of each stream in one read
TAKE_OVER_COUNT = 10  # few: while they are handled, no other consumer may take them over

# KEYS: stream. ARGV: group. What was removed before the group existed counts as read. A stream that is not there is not
# made: the relay must see that it is missing, and fill it again.
JOIN = (
    FIELDS
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local stream = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
local removed = stream['entries-added'] - stream['length']
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'ENTRIESREAD', removed)
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
return 1
"""
)

# KEYS: for each stream itself and its counts of lost entries. ARGV: group, consumer, most entries.
# After a loss the group's count is set right: some versions of Redis would go on from the wrong one.
READ = (
    FIELDS
    + """
local all = {}
for i = 1, #KEYS, 2 do
  local stream = fields(redis.call('XINFO', 'STREAM', KEYS[i]))
  local removed, lost = stream['entries-added'] - stream['length'], 0
  for _, group in ipairs(groups(KEYS[i])) do
    if group['name'] == ARGV[1] and group['entries-read'] and group['entries-read'] < removed then
      lost = removed - group['entries-read']
      redis.call('XGROUP', 'SETID', KEYS[i], ARGV[1], group['last-delivered-id'], 'ENTRIESREAD', removed)
      redis.call('HINCRBY', KEYS[i + 1], ARGV[1], lost)
    end
  end
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[i], '>')
  local entries = nil
  if read then entries = type(read[1]) == 'table' and read[1][2] or read[2] end  -- the emulator nests one level less
  all[#all + 1] = {KEYS[i], stream['last-generated-id'], lost, entries or {}}
end
return all
"""
)

# KEYS: stream, its counts of lost entries, the group's failures. ARGV: group, consumer, idle, cursor, most entries.
TAKE_OVER = """
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local lost = found[3] or {}
if #lost > 0 then redis.call('HINCRBY', KEYS[2], ARGV[1], #lost) end
for _, entry in ipairs(lost) do redis.call('HDEL', KEYS[3], KEYS[1] .. '/' .. entry) end
return {found[1], #lost, found[2]}
"""


class Entry(msgspec.Struct, frozen=True):
    """One entry as it was delivered."""

    stream: str
    id: str
    fields: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.stream}/{self.id}"


class Member:
    """One consumer's side of its group in Redis."""

    def __init__(self, redis: Redis, group: str, name: str, *, take_over_after: int) -> None:
        self.group = group
        self.name = name
        self._redis = redis
        self._take_over_after = take_over_after
        self._joined: dict[str, str] = {}  # stream → the last entry id that it had when it was read
        self._cursors: dict[str, str] = {}
        self._join = redis.register_script(JOIN)
        self._read = redis.register_script(READ)
        self._claim = redis.register_script(TAKE_OVER)

    @property
    def streams(self) -> Sequence[str]:
        return sorted(self._joined)

    def forget(self) -> None:
        """Join again before the next read: Redis may come back without the groups."""
        self._joined.clear()
        self._cursors.clear()

    async def join(self) -> None:
        """Join the group of every stream, from its first entry where the group is new."""
        streams: Any = await self._redis.smembers(keys.STREAMS)
        for stream in streams - self._joined.keys():
            if await self._join(keys=[stream], args=[self.group]):
                self._joined[stream] = "0-0"

    async def read(self) -> list[Entry]:
        """What nobody in the group has read, without waiting."""
        names = [name for stream in self.streams for name in (stream, keys.trimmed(stream))]
        entries: list[Entry] = []
        for stream, last, lost, found in await self._read(keys=names, args=[self.group, self.name, READ_COUNT]):
            self._joined[stream] = last
            self._report(stream, lost)
            entries += _entries(stream, found)
        return entries

    async def wait(self, milliseconds: int) -> bool:
        """Wait for an entry behind those that were there at the last read; it is left to `read`."""
        seen: dict[Any, Any] = {**self._joined}
        return bool(await self._redis.xread(seen, count=1, block=milliseconds))

    async def take_over(self, stream: str) -> list[Entry]:
        """Some of what another consumer read and did not acknowledge in time, in turn."""
        names = [stream, keys.trimmed(stream), keys.failures(self.group)]
        cursor = self._cursors.get(stream, "0-0")
        self._cursors[stream], lost, found = await self._claim(
            keys=names, args=[self.group, self.name, self._take_over_after, cursor, TAKE_OVER_COUNT]
        )
        self._report(stream, lost)
        return _entries(stream, found)

    async def acknowledge(self, entry: Entry) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xack(entry.stream, self.group, entry.id)
            pipeline.hdel(keys.failures(self.group), entry.name)
            await pipeline.execute()

    async def count_failure(self, entry: Entry) -> int:
        """How often the handlers of the group failed at this entry."""
        return int(await self._redis.hincrby(keys.failures(self.group), entry.name, 1))

    async def bury(self, entry: Entry) -> None:
        """Move an entry to the group's dead letters."""
        origin: dict[Any, Any] = {"stream": entry.stream, "entry": entry.id, **entry.fields}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(keys.dead_letters(self.group), origin, maxlen=settings.OUTBOX_STREAM_MAXLEN)
            pipeline.xack(entry.stream, self.group, entry.id)
            pipeline.hdel(keys.failures(self.group), entry.name)
            await pipeline.execute()

    def _report(self, stream: str, lost: int) -> None:
        if lost:
            logger.warning(
                "%d entries of %s were trimmed before group %s had acknowledged them: it is slower than "
                "QULAB_OUTBOX_STREAM_MAXLEN allows. `manage.py outbox replay` publishes them again",
                lost,
                stream,
                self.group,
            )


def _entries(stream: str, found: list[Any]) -> list[Entry]:
    return [Entry(stream, id_, dict(zip(flat[::2], flat[1::2], strict=True))) for id_, flat in found if flat]
