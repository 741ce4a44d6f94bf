"""Who is signed in is kept in Redis, and can be taken back there at once. Of the cookie's key only a hash is stored.

Without Redis nobody is taken for signed out: whoever asks is told so by SessionsAway.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Never

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.crypto import constant_time_compare
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.access.person import Known, Person, known, meet
from qulab.cache.client import STREAMS_TIMEOUT, create_redis
from qulab.db.loop import PerLoop

USER, FINGERPRINT, OPENED, RENEWED = "user", "fingerprint", "opened", "renewed"
KEY_BYTES = 32
SIGNED_OUT = "_signed_out"
LONGEST, LONGEST_OF_STAFF = 30 * 24 * 3600, 12 * 3600  # seconds since the password was asked for
RENEW_AFTER = 24 * 3600  # seconds: so often the browser gets its cookie again, with a later end

redis_of_sessions: PerLoop[Redis] = PerLoop(
    lambda: create_redis(settings.REDIS_SESSIONS_URL, timeout=STREAMS_TIMEOUT, text=True), lambda redis: redis.aclose()
)


class SessionsAway(Exception):
    """Redis, which knows who is signed in, does not answer."""


class SessionStore(SessionBase):
    """Django's session, with its async methods alone: the others would wait for the network in the event loop."""

    def load(self) -> Never:
        raise RuntimeError("a session is asked with await: use the methods that begin with a, such as aget()")

    @classmethod
    async def aclear_expired(cls) -> None:
        """Redis does that by itself."""

    async def aload(self) -> dict[str, Any]:
        """What is stored, and a later end for it. An empty session where nothing is."""
        async with _asked():
            stored = await redis_of_sessions.get().getex(_name(self.session_key), ex=settings.SESSION_COOKIE_AGE)
        if stored is None:
            self._session_key = None  # nobody may choose the key of a session
            return {}
        data: dict[str, Any] = self.decode(stored)
        return data

    async def aexists(self, session_key: str) -> bool:
        async with _asked():
            return bool(await redis_of_sessions.get().exists(_name(session_key)))

    async def acreate(self) -> None:
        self._session_key = secrets.token_urlsafe(KEY_BYTES)
        self._session_cache: dict[str, Any] = {}
        await self.asave(must_create=True)
        self.modified = True

    async def asave(self, must_create: bool = False) -> None:
        """Raises UpdateError where the session was ended meanwhile: saving must not bring it back."""
        if self.session_key is None:
            return await self.acreate()
        data = self.encode(await self._aget_session(no_load=must_create))  # type: ignore[attr-defined]
        async with _asked():
            saved = await redis_of_sessions.get().set(
                _name(self.session_key), data, ex=settings.SESSION_COOKIE_AGE, nx=must_create, xx=not must_create
            )
        if not saved:
            raise CreateError if must_create else UpdateError
        return None

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            async with _asked():
                await redis_of_sessions.get().delete(_name(key))


async def sign_in(request: HttpRequest, account: Known) -> None:
    """Open a session under a new key: one that somebody knew before is worth nothing. Raises SessionsAway."""
    session = request.session
    try:
        await _open(session, account)
    except SessionsAway:
        session.clear()  # who is told that this failed must not find out later that it did not
        session.modified = False
        raise
    rotate_token(request)
    meet(request, account.person)


async def _open(session: SessionBase, account: Known) -> None:
    await _end(session)
    await session.acreate()
    # Noted first: a session that cannot be found could not be taken back.
    await _list(account.person.id, session.session_key)
    now = time.time()
    await session.aupdate({USER: account.person.id, FINGERPRINT: account.fingerprint, OPENED: now, RENEWED: now})
    await session.asave()


async def _end(session: SessionBase) -> None:
    """End a session, and forget that its person had it."""
    user_id, key = await session.aget(USER), session.session_key
    await session.aflush()
    if user_id is not None:
        async with _asked():
            await redis_of_sessions.get().zrem(_names_of(user_id), _name(key))


async def sign_out(request: HttpRequest) -> None:
    """End this session, and take its cookie back. Raises SessionsAway."""
    await _end(request.session)
    request.__dict__[SIGNED_OUT] = True
    rotate_token(request)
    meet(request, None)


async def end_sessions(user_id: str, *, but: str | None = None) -> int:
    """End all sessions of a person, except the one with the key `but`; how many those were. Raises SessionsAway."""
    kept = _name(but) if but else None
    async with _asked():
        redis = redis_of_sessions.get()
        names = [str(name) for name in await redis.zrange(_names_of(user_id), 0, -1) if name != kept]
        if not names:
            return 0
        async with redis.pipeline(transaction=True) as pipe:
            pipe.delete(*names)
            pipe.zrem(_names_of(user_id), *names)
            ended, _removed = await pipe.execute()
    return int(ended)


async def find_person(request: HttpRequest) -> Person | None:
    """Whose session the request comes with; None for none, and for one that is over. Raises SessionsAway."""
    session = request.session
    user_id = await session.aget(USER)
    if user_id is None:
        return None
    account = await known(user_id)
    if account is None or not constant_time_compare(account.fingerprint, await session.aget(FINGERPRINT, "")):
        await _end(session)
        return None
    now = time.time()
    if now - await session.aget(OPENED, 0.0) > (LONGEST_OF_STAFF if account.person.is_staff else LONGEST):
        await _end(session)
        return None
    if now - await session.aget(RENEWED, 0.0) > RENEW_AFTER:
        await session.aset(RENEWED, now)
        await _list(user_id, session.session_key)
    return account.person


async def _list(user_id: str, session_key: str | None) -> None:
    """Note a session under its person, with the moment until which it can live; forget those that are over."""
    now, lives = time.time(), settings.SESSION_COOKIE_AGE + RENEW_AFTER
    async with _asked(), redis_of_sessions.get().pipeline(transaction=True) as pipe:
        pipe.zremrangebyscore(_names_of(user_id), 0, now)
        pipe.zadd(_names_of(user_id), {_name(session_key): now + lives})
        pipe.expire(_names_of(user_id), lives)
        await pipe.execute()


def _name(session_key: str | None) -> str:
    # Who reads Redis must not be able to go on with somebody's session.
    return f"session:{sha256((session_key or '').encode()).hexdigest()}"


def _names_of(user_id: str) -> str:
    return f"sessions-of:{user_id}"


@asynccontextmanager
async def _asked() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise SessionsAway from error
