"""Redis takes a batch only if its mark agrees with the database's batch number: a batch enters its streams once.

One Lua call compares, adds all entries, keeps the map from event id to entry id, and moves the mark.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from redis.asyncio import Redis

from qulab.cache import keys

# KEYS: mark, map, set of streams, then the streams of the batch.
# ARGV: expected batch number, most entries a stream keeps, channel, then for each event: stream's index, id, envelope.
PUBLISH = """
local mark = tonumber(redis.call('GET', KEYS[1]) or '0')
local expected = tonumber(ARGV[1])
if mark ~= expected then
  local kind = 'behind'
  if mark == expected + 1 then kind = 'repeated' elseif mark > expected then kind = 'ahead' end
  return {kind, mark, redis.call('HGETALL', KEYS[2])}
end
if #ARGV == 3 then return {'agreed', mark, {}} end
for i = 4, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'stream' and kind ~= 'none' then return {'refused', mark, {KEYS[i], kind}} end
end
redis.call('DEL', KEYS[2])
local map = {}
for i = 4, #ARGV, 3 do
  local key = KEYS[3 + tonumber(ARGV[i])]
  local entry = redis.call('XADD', key, 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[i + 2])
  redis.call('HSET', KEYS[2], ARGV[i + 1], entry)
  map[#map + 1] = ARGV[i + 1]
  map[#map + 1] = entry
end
for i = 4, #KEYS do redis.call('SADD', KEYS[3], KEYS[i]) end
redis.call('SET', KEYS[1], expected + 1)
redis.call('PUBLISH', ARGV[3], #map / 2)
return {'published', expected + 1, map}
"""


class Kind(StrEnum):
    """What Redis said to a batch."""

    PUBLISHED = "published"
    AGREED = "agreed"  # nothing was offered, and mark and batch number are equal
    REPEATED = "repeated"  # a relay died between the Lua call and its commit: nothing added, here is its map
    BEHIND = "behind"  # Redis lost data
    AHEAD = "ahead"  # the database is older than Redis
    REFUSED = "refused"  # a stream's key holds something else


class Message(msgspec.Struct, frozen=True):
    """One encoded event on its way to its stream."""

    id: str
    stream: str
    envelope: str


class Reply(msgspec.Struct, frozen=True):
    """`map`: event id → entry id of the batch that `mark` numbers."""

    kind: Kind
    mark: int
    map: dict[str, str]


class Marks:
    """The relay's side of Redis."""

    def __init__(self, streams: Redis, *, stream_maxlen: int) -> None:
        self._streams = streams
        self._stream_maxlen = stream_maxlen
        self._publish = streams.register_script(PUBLISH)

    async def publish(self, epoch: str, partition: int, expected: int, messages: Sequence[Message]) -> Reply:
        """Offer a batch; with no messages, only compare. One round trip."""
        streams = sorted({message.stream for message in messages})
        index = {stream: str(number) for number, stream in enumerate(streams, start=1)}
        arguments: list[str | int] = [expected, self._stream_maxlen, keys.PUBLISHED_CHANNEL]
        for message in messages:
            arguments += [index[message.stream], message.id, message.envelope]
        names = [keys.mark(epoch, partition), keys.batch_map(epoch, partition), keys.STREAMS, *streams]
        kind, mark, pairs = await self._publish(keys=names, args=arguments)
        return Reply(Kind(kind), int(mark), dict(zip(pairs[::2], pairs[1::2], strict=True)))

    async def read(self, epochs: dict[int, str]) -> dict[int, int]:
        """The mark of each partition; 0 where there is none."""
        names = [keys.mark(epoch, partition) for partition, epoch in epochs.items()]
        marks = await self._streams.mget(names) if names else []
        return {partition: int(mark or 0) for partition, mark in zip(epochs, marks, strict=True)}
