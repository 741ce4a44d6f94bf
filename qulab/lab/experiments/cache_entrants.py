"""Who takes part: what is not installed is left out and named, and nothing is imported of what does not take part."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import msgspec
from django.conf import settings

from qulab.lab.experiments.cache_contenders import Contender
from qulab.lab.experiments.http_peers import Missing
from qulab.lab.experiments.peers import are_here


class Entrant(msgspec.Struct, frozen=True):
    """A contender by name. `place` is module:class, `option` how it is used, `needs` what must be installed."""

    name: str
    place: str
    option: str
    needs: str = ""

    @property
    def kind(self) -> type[Contender]:
        module, _, name = self.place.partition(":")
        kind: type[Contender] = getattr(import_module(module), name)
        return kind

    @property
    def is_installed(self) -> bool:
        return not self.needs or find_spec(self.needs) is not None


HERE = "qulab.lab.experiments.cache_contenders"
PLACE = "tests.peers.cache_"
OURS = Entrant("this cache", f"{HERE}:Ours", "Cache.get")
AS_SERVED = Entrant(OURS.name, f"{HERE}:OursAsServed", "Cache.get")
REDIS_PY = Entrant("redis-py", f"{HERE}:RedisPy", "GET, json.loads; SET after a miss")
DOGPILE = Entrant("dogpile.cache", f"{PLACE}dogpile:Dogpile", "distributed_lock, in threads", "dogpile")
DJANGO_REDIS = Entrant("django-redis", f"{PLACE}django_redis:DjangoRedis", "aget, aset", "django_redis")
PEERS = (
    Entrant("cashews", f"{PLACE}cashews:Cashews", "@cache(ttl, key)", "cashews"),
    Entrant("aiocache", f"{PLACE}aiocache:Aiocache", "@cached, JSON", "aiocache"),
    DOGPILE,
    DJANGO_REDIS,
)
# Where readers meet, each library with what it has against stampedes.
GUARDED = (
    Entrant("cashews", f"{PLACE}cashews:CashewsLocked", "lock=True", "cashews"),
    Entrant("aiocache", f"{PLACE}aiocache:AiocacheRedLock", "@cached_stampede, its RedLock", "aiocache"),
    DOGPILE,
    DJANGO_REDIS,
    Entrant(
        "django-redis, lock", f"{PLACE}django_redis:DjangoRedisLocked", "cache.lock, in threads", DJANGO_REDIS.needs
    ),
)


def plain(*, peers: bool) -> list[Entrant]:
    """Each as it reads one key, the product's cache first, redis-py next."""
    return [OURS, REDIS_PY, *(_present(PEERS) if peers else [])]


def guarded(*, peers: bool) -> list[Entrant]:
    return [OURS, REDIS_PY, *(_present(GUARDED) if peers else [])]


def absent() -> list[Missing]:
    """The libraries that are not installed."""
    return [Missing(one.name, [one.needs]) for one in PEERS if not one.is_installed]


def _present(entrants: Sequence[Entrant]) -> list[Entrant]:
    return [one for one in entrants if are_here(settings.BASE_DIR) and one.is_installed]
