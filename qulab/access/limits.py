"""How often somebody may try. Counted in Redis for all processes; while it is away each process counts for itself.

Nothing in Redis tells an address or an account: what is counted is named by an HMAC.
"""

import math
import time
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from qulab.access.sessions import redis_of_sessions
from qulab.db.loop import PerLoop

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

PREFIX = "limit"
TOO_MANY_SECONDS = 120
HOUSEHOLD = 64  # bits of an IPv6 address that one customer of a provider shares


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` times in any `seconds`. `why` is told to who tries once more."""

    name: str
    amount: int
    seconds: int
    why: "StrPromise | str" = ""

    @property
    def item(self) -> RateLimitItem:
        return RateLimitItemPerSecond(self.amount, self.seconds, namespace=self.name)


class Refusal(msgspec.Struct, frozen=True):
    """`retry_after` seconds from now there is room for one more try."""

    limit: Limit
    retry_after: int

    @property
    def minutes(self) -> int:
        """Where seconds would be too many to read: 0 for a short while."""
        return math.ceil(self.retry_after / 60) if self.retry_after >= TOO_MANY_SECONDS else 0


def _shared() -> MovingWindowRateLimiter:
    pool = redis_of_sessions.get().connection_pool
    storage = RedisStorage("redis://", implementation="redispy", key_prefix=PREFIX, connection_pool=pool)  # type: ignore[arg-type]
    return MovingWindowRateLimiter(storage)


shared: PerLoop[MovingWindowRateLimiter] = PerLoop(_shared)
own: PerLoop[MovingWindowRateLimiter] = PerLoop(lambda: MovingWindowRateLimiter(MemoryStorage()))


async def hit(limit: Limit, *keys: str) -> Refusal | None:
    """Count one try; a Refusal where it is one too many, which is not counted."""
    named = _named(keys)
    try:
        return await _hit(shared.get(), limit, named)
    except (RedisError, OSError):
        return await _hit(own.get(), limit, named)


async def clear(limit: Limit, *keys: str) -> None:
    """Forget the tries so far."""
    named = _named(keys)
    await own.get().clear(limit.item, named)
    try:
        await shared.get().clear(limit.item, named)
    except (RedisError, OSError):
        return  # they are forgotten when their time is over


def address_of(request: HttpRequest) -> str:
    """Who asks, as the network knows them. An IPv6 customer has as many addresses as they like: all count as one."""
    text = request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(text)
    except ValueError:
        return str(text)
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, HOUSEHOLD), strict=False))
    return str(address)


def too_many(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The page that says when to come again."""
    # Where htmx puts the answer into a part of the page, only the words.
    template = "partials/too_many.html" if "HX-Request" in request.headers else "429.html"
    response = render(request, template, {"refusal": refusal}, status=HTTPStatus.TOO_MANY_REQUESTS)
    return come_again(response, refusal)


def come_again(response: HttpResponse, refusal: Refusal) -> HttpResponse:
    """The answer, with when to come again."""
    response["Retry-After"] = str(refusal.retry_after)
    return response


async def _hit(limiter: MovingWindowRateLimiter, limit: Limit, named: str) -> Refusal | None:
    if await limiter.hit(limit.item, named):
        return None
    window = await limiter.get_window_stats(limit.item, named)
    return Refusal(limit, max(1, math.ceil(window.reset_time - time.time())))


def _named(keys: tuple[str, ...]) -> str:
    return salted_hmac("qulab.access.limits", "\x00".join(keys), algorithm="sha256").hexdigest()
