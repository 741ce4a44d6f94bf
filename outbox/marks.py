"""Redis takes a batch only if its mark agrees with the database's batch number: a batch enters its streams once.

One Lua call compares, adds all entries, keeps the map from event id to entry id, and moves the mark.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from outbox.positions import Mark
from qulab.cache import keys

# The mark is `generation:batch`. KEYS: mark, map, set of streams, then the streams of the batch.
# ARGV: expected mark, the mark that follows it, most entries a stream keeps, channel, ids of the events, for each the
# number of its stream (both with spaces between), then the envelopes. A stream that was there and is not is lost data:
# nothing is added until the events that were in it are pending again. The first write is an XADD: without memory Redis
# refuses that one, and with it the whole script.
PUBLISH = """
local mark = redis.call('GET', KEYS[1]) or '0:0'
if mark ~= ARGV[1] then return {'other', mark, redis.call('HGETALL', KEYS[2])} end
if #ARGV == 4 then return {'agreed', mark, {}} end
for i = 4, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'none' then
    if redis.call('SISMEMBER', KEYS[3], KEYS[i]) == 1 then return {'gone', mark, {KEYS[i], kind}} end
  elseif kind ~= 'stream' then
    return {'refused', mark, {KEYS[i], kind}}
  end
end
local stream_of = string.gmatch(ARGV[6], '%S+')
local map, entries = {}, {}
for id in string.gmatch(ARGV[5], '%S+') do
  local number = #entries + 1
  local key = KEYS[3 + tonumber(stream_of())]
  entries[number] = redis.call('XADD', key, 'MAXLEN', '~', ARGV[3], '*', 'event', ARGV[6 + number])
  map[#map + 1] = id
  map[#map + 1] = entries[number]
end
redis.call('DEL', KEYS[2])
for i = 1, #map, 1000 do redis.call('HSET', KEYS[2], unpack(map, i, math.min(i + 999, #map))) end
redis.call('SADD', KEYS[3], unpack(KEYS, 4))
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], #entries)
return {'published', ARGV[2], table.concat(entries, ' ')}
"""

# A recovery begins its generation in Redis, unless the mark moved since it was seen. KEYS: mark, map.
# ARGV: the mark seen, the mark to set, whether the map is that of the batch which the new mark numbers.
RECOVER = """
local mark = redis.call('GET', KEYS[1]) or '0:0'
if mark ~= ARGV[2] then
  if mark ~= ARGV[1] then return 0 end
  if ARGV[3] == '0' then redis.call('DEL', KEYS[2]) end
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
"""

# Marks and missing streams as of one moment. KEYS: set of streams, then the marks.
LOOK = """
local marks, gone = {}, {}
for i = 2, #KEYS do marks[i - 1] = redis.call('GET', KEYS[i]) or '0:0' end
for _, stream in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', stream) == 0 then gone[#gone + 1] = stream end
end
return {marks, gone}
"""

# A recovery that is still to begin takes entries out of a stream. KEYS: mark, stream. ARGV: the mark seen, entry ids.
REMOVE = """
if (redis.call('GET', KEYS[1]) or '0:0') ~= ARGV[1] then return 0 end
redis.call('XDEL', KEYS[2], unpack(ARGV, 2))
return 1
"""

# KEYS: set of streams, a stream that was missing. From here on it may begin anew.
FORGET = """
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[1], KEYS[2]) end
"""


class Kind(StrEnum):
    """What Redis said to a batch."""

    PUBLISHED = "published"
    AGREED = "agreed"  # nothing was offered, and both have the same mark
    OTHER = "other"  # Redis has another mark, and added nothing
    REFUSED = "refused"  # the key of a stream holds something else
    GONE = "gone"  # a stream that had entries was deleted, and nothing was added


class Message(msgspec.Struct, frozen=True):
    """One encoded event on its way to its stream."""

    id: str
    aggregate_id: str
    stream: str
    envelope: bytes
    attempts: int


class Reply(msgspec.Struct, frozen=True):
    """`map`: event id → entry id of the batch that `mark` numbers; of a refused batch, stream → what its key holds."""

    kind: Kind
    mark: Mark
    map: dict[str, str]


class Look(msgspec.Struct, frozen=True):
    """What Redis holds at one moment: the mark of each partition, and the streams that it should have and has not."""

    marks: dict[int, Mark]
    gone: list[str]


class Marks:
    """The relay's side of Redis."""

    def __init__(self, streams: Redis, *, stream_maxlen: int) -> None:
        self._streams = streams
        self._stream_maxlen = stream_maxlen
        self._publish = streams.register_script(PUBLISH)
        self._recover = streams.register_script(RECOVER)
        self._remove = streams.register_script(REMOVE)
        self._look = streams.register_script(LOOK)
        self._forget = streams.register_script(FORGET)

    async def publish(self, epoch: str, partition: int, expected: Mark, messages: Sequence[Message]) -> Reply:
        """Offer a batch; with no messages, only compare. One round trip."""
        streams = sorted({message.stream for message in messages})
        names = [keys.mark(epoch, partition), keys.batch_map(epoch, partition), keys.STREAMS, *streams]
        arguments: list[Any] = [str(expected), str(expected.following()), self._stream_maxlen, keys.PUBLISHED_CHANNEL]
        ids = [message.id for message in messages]
        if messages:
            number = {stream: str(place) for place, stream in enumerate(streams, start=1)}
            arguments += [" ".join(ids), " ".join([number[message.stream] for message in messages])]
            arguments += [message.envelope for message in messages]
        kind, mark, told = await self._publish(keys=names, args=arguments)
        if kind == Kind.PUBLISHED:
            return Reply(Kind.PUBLISHED, Mark.parse(mark), dict(zip(ids, told.split(), strict=True)))
        return Reply(Kind(kind), Mark.parse(mark), dict(zip(told[::2], told[1::2], strict=True)))

    async def recover(self, epoch: str, partition: int, seen: Mark, target: Mark) -> bool:
        """Begin a generation in Redis. False: the mark moved since it was seen, so look again."""
        names = [keys.mark(epoch, partition), keys.batch_map(epoch, partition)]
        keeps_map = int(target.batch == seen.batch)
        return bool(await self._recover(keys=names, args=[str(seen), str(target), keeps_map]))

    async def entries(self, stream: str, start: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """Some entries of a stream; none where the key holds something else."""
        try:
            found: Any = await self._streams.xrange(stream, min=start, count=count)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return []
        return list(found)

    async def remove(self, epoch: str, partition: int, seen: Mark, stream: str, entries: Sequence[str]) -> bool:
        """Take entries out. False: the mark moved since it was seen, and they may be of another relay's recovery."""
        names = [keys.mark(epoch, partition), stream]
        return bool(await self._remove(keys=names, args=[str(seen), *entries]))

    async def look(self, epochs: dict[int, str]) -> Look:
        """The marks of the partitions, and what is missing."""
        names = [keys.mark(epoch, partition) for partition, epoch in epochs.items()]
        marks, gone = await self._look(keys=[keys.STREAMS, *names])
        return Look({number: Mark.parse(mark) for number, mark in zip(epochs, marks, strict=True)}, gone)

    async def forget(self, stream: str) -> None:
        """Let a missing stream begin anew: what was in it is pending again."""
        await self._forget(keys=[keys.STREAMS, stream])
