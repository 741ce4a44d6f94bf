"""Pages are asked for at this machine, on both databases; a page is read as a person reads it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import unescape
from re import findall, sub
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from accounts.models import User
from assessments.models import AIRScore, Assessment
from outbox.models import DomainEvent, Status
from qulab.db.engine import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Page:
    """An answer: its status, its visible text, its links, and the rows that it lists."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.status = response.status_code
        self.html = response.content.decode()
        self.text = " ".join(unescape(sub(r"<[^>]+>", " ", self.html)).split())

    @property
    def main(self) -> str:
        """The page without what stands beside each of them."""
        return self.html.partition("<main")[2].partition("</main>")[0]

    def links(self, label: str) -> list[str]:
        found = findall(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', self.html)
        return [unescape(href) for href, inner in found if label in sub(r"<[^>]+>", "", unescape(inner))]

    def rel(self, name: str) -> str:
        """The address of the next, prev, first or last page; empty where there is none."""
        found = findall(rf'href="([^"]*)" rel="{name}"', self.html)
        return unescape(found[0]) if found else ""

    def keys(self, name: str) -> list[str]:
        """The ids of the rows, in the order in which they are listed."""
        return list(dict.fromkeys(findall(rf'href="/admin/{name}/([0-9a-f-]{{36}})"', self.html)))

    def hidden(self) -> dict[str, list[str]]:
        """What the form of a confirm page would send, without the token."""
        fields: dict[str, list[str]] = {}
        for name, value in findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', self.html):
            if name != "csrfmiddlewaretoken":
                fields.setdefault(name, []).append(unescape(value))
        return fields


class Desk:
    """Someone at the machine, with JavaScript off."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def get(self, path: str) -> Page:
        return Page(await self.client.get(f"/admin/{path}"))

    async def send(self, path: str, **fields: Any) -> Page:
        return Page(await self.client.post(f"/admin/{path}", fields))

    async def walk(self, path: str, rel: str = "next") -> list[Page]:
        """The page, and all that follow by the link `rel`."""
        pages = [await self.get(path)]
        name = path.partition("?")[0]
        while address := pages[-1].rel(rel):
            assert len(pages) < 50
            pages.append(await self.get(name + address))
        return pages


@pytest.fixture
async def desk(database: Database, streams_client: Redis, async_client: AsyncClient) -> Desk:
    return Desk(async_client)


@pytest.fixture
def cheap_hashes(settings: Any) -> None:
    """Where an account is needed, and nothing is measured."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


async def store(database: Database, *rows: Any) -> None:
    async with database.writing() as session:
        session.add_all(rows)
        await session.commit()


def user(number: int = 0, **fields: Any) -> User:
    return User(**{"email": f"user{number:04}@example.com", "name": f"Person {number:04}", **fields})


def score(owner: User, air_score: float = 50.0, **fields: Any) -> AIRScore:
    rest = dict.fromkeys(["vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper"], 50.0)
    given = {"occupation_code": "15-1252", "parameter_version": "1", "air_score": air_score, **rest, **fields}
    return AIRScore(user=owner, **given)


def assessment(owner: User, **fields: Any) -> Assessment:
    return Assessment(user=owner, **{"component": "fluency", **fields})


def event(status: Status = Status.PENDING, **fields: Any) -> DomainEvent:
    """An event in a state that the constraints allow."""
    state: dict[str, Any] = {"status": status}
    if status is Status.PUBLISHED:
        state |= {"published_at": NOON, "stream_id": "1700000000000-0", "batch": 1}
    if status in (Status.DEAD, Status.DISCARDED):
        state |= {"last_error": "ConnectionError: it went away", "attempts": 8}
    about = {"event_type": "UserCreated", "aggregate_type": "User", "aggregate_id": "u", "payload": {}, "partition": 0}
    return DomainEvent(**{**about, **state, **fields})


async def users(database: Database, count: int, **fields: Any) -> Sequence[User]:
    """Users whose times of creation are a minute apart."""
    found = [user(n, created_at=NOON + timedelta(minutes=n), **fields) for n in range(count)]
    await store(database, *found)
    return found
