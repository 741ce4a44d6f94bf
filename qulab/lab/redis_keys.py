"""What the page says of Redis is what Redis answers now: each structure is shown by a key that is there."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext as _
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import keys
from qulab.cache.client import create_redis, get_streams
from qulab.cache.read_through import Cache

TIMEOUT = 0.5  # seconds
MOST_KEYS = 400  # looked at in each logical database
MOST_EXAMPLES = 2  # of one structure in one logical database

ID = re.compile(r"(?<=:)[^:]*[0-9a-f]{8}[^:]*")  # a part of a key that names somebody, or an epoch, or a run
LENGTHS = {"string": "strlen", "hash": "hlen", "list": "llen", "set": "scard", "zset": "zcard", "stream": "xlen"}


class Example(msgspec.Struct, frozen=True):
    """A key that exists. `ttl` in seconds, None for one that does not expire."""

    place: str
    key: str
    length: int
    ttl: float | None


class Structure(msgspec.Struct, frozen=True):
    name: str
    holds: str
    use: str
    unit: str
    examples: list[Example]


class RedisView(msgspec.Struct, frozen=True):
    """`answers` is False when Redis is away; `emulated` when fakeredis stands in for it."""

    answers: bool
    emulated: bool
    address: str
    structures: list[Structure]


async def look(cache: Cache, *, veiled: bool = False) -> RedisView:
    """Look at the keys of every logical database that QuLab uses. `veiled`: without the ids of those they are about."""
    try:
        found = await _examples(cache)
        listeners = (await get_streams().pubsub_numsub(keys.PUBLISHED_CHANNEL))[0][1]
    except (RedisError, OSError):
        return RedisView(False, settings.REDIS_IS_EMULATED, address(), _structures({}, 0))
    if veiled:
        found = {kind: [_veiled(one) for one in examples] for kind, examples in found.items()}
    return RedisView(True, settings.REDIS_IS_EMULATED, address(), _structures(found, int(listeners)))


def _veiled(one: Example) -> Example:
    return msgspec.structs.replace(one, key=ID.sub("…", one.key))


async def answers(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except (RedisError, OSError):
        return False


def address() -> str:
    """Host and port of Redis, without credentials."""
    return str(settings.REDIS_URL).rpartition("@")[2].removeprefix("redis://").removeprefix("rediss://").split("/")[0]


async def _examples(cache: Cache) -> dict[str, list[Example]]:
    broker = create_redis(settings.CELERY_BROKER_URL, timeout=TIMEOUT, max_connections=1)
    found: dict[str, list[Example]] = {}
    try:
        for place, redis in ((_("cache"), cache.redis), (_("streams"), get_streams()), (_("broker"), broker)):
            for kind, example in await _of(place, redis):
                found.setdefault(kind, []).append(example)
    finally:
        await broker.aclose()
    return found


async def _of(place: str, redis: Redis) -> list[tuple[str, Example]]:
    names = await _some_keys(redis)
    kinds = [_text(kind) for kind in await _ask(redis, (("type", name) for name in names))]
    chosen = _choose(list(zip(kinds, names, strict=True)))
    lengths = await _ask(redis, ((LENGTHS[kind], name) for kind, name in chosen))
    ttls = await _ask(redis, (("pttl", name) for _kind, name in chosen))
    return [
        (kind, Example(place, _text(name), int(length), ttl / 1000 if ttl >= 0 else None))
        for (kind, name), length, ttl in zip(chosen, lengths, ttls, strict=True)
    ]


async def _some_keys(redis: Redis) -> list[Any]:
    names: set[Any] = set()
    cursor = 0
    for _round in range(MOST_KEYS // 100):
        cursor, page = await redis.scan(cursor, count=100)
        names.update(page)
        if cursor == 0:
            break
    return sorted(names)


def _choose(pairs: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A few of each kind, of different families of keys before more of one family."""
    chosen: dict[str, list[bytes]] = {}
    families: set[tuple[str, str]] = set()
    for kind, name in pairs:
        family = (kind, _family(_text(name)))
        if kind in LENGTHS and family not in families and len(chosen.setdefault(kind, [])) < MOST_EXAMPLES:
            families.add(family)
            chosen[kind].append(name)
    return [(kind, name) for kind, names in chosen.items() for name in names]


def _family(name: str) -> str:
    parts = name.split(":")
    return parts[-1] if parts[0] == "outbox" else ":".join(parts[:2])


async def _ask(redis: Redis, questions: Iterable[tuple[str, bytes]]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        for command, name in questions:
            getattr(pipeline, command)(name)
        return list(await pipeline.execute())


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _structures(found: dict[str, list[Example]], listeners: int) -> list[Structure]:
    channel = [Example(_("streams"), keys.PUBLISHED_CHANNEL, listeners, None)] if found else []
    rows = (
        (
            "string",
            _("bytes under one key"),
            _("cached snapshots, leases, heartbeats, marks, states of runs"),
            _("bytes"),
        ),
        (
            "hash",
            _("fields of one record"),
            _("a partition's last batch, what failed or was trimmed"),
            _("fields"),
        ),
        ("list", _("a queue with two ends"), _("Celery's queues, wake-up hints, the activity log"), _("items")),
        (
            "set",
            _("members, each once"),
            _("the relay's streams, the bindings of Celery's queues"),
            _("members"),
        ),
        ("zset", _("members in the order of a score"), _("Celery's tasks that await their confirmation"), _("members")),
        ("stream", _("an append-only log with readers' positions"), _("published events"), _("entries")),
    )
    names = {"zset": _("sorted set")}
    structures = [
        Structure(names.get(kind, kind), holds, use, unit, found.get(kind, [])) for kind, holds, use, unit in rows
    ]
    told = _("hints to live readers: something was published, a run has moved")
    return [*structures, Structure("pub/sub", _("messages, kept by nobody"), told, _("listeners"), channel)]
