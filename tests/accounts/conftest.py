"""People who come over the network, each with a browser of their own: no operator of this machine is among them."""

from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from qulab.cache.read_through import Cache
from qulab.db.engine import Database

FAST = "django.contrib.auth.hashers.MD5PasswordHasher"


@pytest.fixture
def fast(settings: Any) -> None:
    """Passwords are hashed in no time: for tests that do not measure that."""
    settings.PASSWORD_HASHERS = [FAST]


@pytest.fixture
async def browser(
    database: Database, cache: Cache, streams_client: Redis, redis_url: str, settings: Any, fast: None
) -> AsyncClient:
    settings.LOCAL_OPERATOR = False
    settings.CELERY_BROKER_URL = f"{redis_url.removesuffix('/0')}/2"
    return AsyncClient()
