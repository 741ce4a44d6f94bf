"""Redis takes a batch only if its mark agrees with the database's batch number: a batch enters its streams once.

One Lua call compares, adds all entries, keeps the map from event id to entry id, and moves the mark.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis

from outbox.positions import Mark
from qulab.cache import keys

# The mark is `generation:batch`. KEYS: mark, map, set of streams, then the streams of the batch.
# ARGV: expected mark, the mark that follows it, most entries a stream keeps, channel, then for each event: stream's
# index, id, envelope. The first write is an XADD: without memory Redis refuses that one, and with it the whole script.
PUBLISH = """
local mark = redis.call('GET', KEYS[1]) or '0:0'
if mark ~= ARGV[1] then return {'other', mark, redis.call('HGETALL', KEYS[2])} end
if #ARGV == 4 then return {'agreed', mark, {}} end
for i = 4, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'stream' and kind ~= 'none' then return {'refused', mark, {KEYS[i], kind}} end
end
local map = {}
for i = 5, #ARGV, 3 do
  local key = KEYS[3 + tonumber(ARGV[i])]
  map[#map + 1] = ARGV[i + 1]
  map[#map + 1] = redis.call('XADD', key, 'MAXLEN', '~', ARGV[3], '*', 'event', ARGV[i + 2])
end
redis.call('DEL', KEYS[2])
for i = 1, #map, 2 do redis.call('HSET', KEYS[2], map[i], map[i + 1]) end
for i = 4, #KEYS do redis.call('SADD', KEYS[3], KEYS[i]) end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], #map / 2)
return {'published', ARGV[2], map}
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


class Kind(StrEnum):
    """What Redis said to a batch."""

    PUBLISHED = "published"
    AGREED = "agreed"  # nothing was offered, and both have the same mark
    OTHER = "other"  # Redis has another mark, and added nothing
    REFUSED = "refused"  # the key of a stream holds something else


class Message(msgspec.Struct, frozen=True):
    """One encoded event on its way to its stream."""

    id: str
    aggregate_id: str
    stream: str
    envelope: str
    attempts: int


class Reply(msgspec.Struct, frozen=True):
    """`map`: event id → entry id of the batch that `mark` numbers; when refused, stream → what its key holds."""

    kind: Kind
    mark: Mark
    map: dict[str, str]


class Marks:
    """The relay's side of Redis."""

    def __init__(self, streams: Redis, *, stream_maxlen: int) -> None:
        self._streams = streams
        self._stream_maxlen = stream_maxlen
        self._publish = streams.register_script(PUBLISH)
        self._recover = streams.register_script(RECOVER)

    async def publish(self, epoch: str, partition: int, expected: Mark, messages: Sequence[Message]) -> Reply:
        """Offer a batch; with no messages, only compare. One round trip."""
        streams = sorted({message.stream for message in messages})
        index = {stream: str(number) for number, stream in enumerate(streams, start=1)}
        arguments: list[str | int] = [str(expected), str(expected.following())]
        arguments += [self._stream_maxlen, keys.PUBLISHED_CHANNEL]
        for message in messages:
            arguments += [index[message.stream], message.id, message.envelope]
        names = [keys.mark(epoch, partition), keys.batch_map(epoch, partition), keys.STREAMS, *streams]
        kind, mark, pairs = await self._publish(keys=names, args=arguments)
        return Reply(Kind(kind), Mark.parse(mark), dict(zip(pairs[::2], pairs[1::2], strict=True)))

    async def recover(self, epoch: str, partition: int, seen: Mark, target: Mark) -> bool:
        """Begin a generation in Redis. False: the mark moved since it was seen, so look again."""
        names = [keys.mark(epoch, partition), keys.batch_map(epoch, partition)]
        keeps_map = int(target.batch == seen.batch)
        return bool(await self._recover(keys=names, args=[str(seen), str(target), keeps_map]))

    async def read(self, epochs: dict[int, str]) -> dict[int, Mark]:
        """The mark of each partition."""
        names = [keys.mark(epoch, partition) for partition, epoch in epochs.items()]
        marks: Any = await self._streams.mget(names) if names else []
        return {partition: Mark.parse(mark) for partition, mark in zip(epochs, marks, strict=True)}
