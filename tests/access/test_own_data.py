"""Two people with data of their own: whatever one of them asks or sends, nothing of the other is shown or changed."""

from typing import Any

import pytest
from django.test import AsyncClient
from django.urls import reverse
from redis.asyncio import Redis

from accounts.models import User
from qulab.access.person import Person
from qulab.db.engine import Database
from tests.access.people import PASSWORD, account, sign_client_in
from tests.admin.conftest import assessment, event, score
from tests.assessments.sitters import Taker

FAST = ["django.contrib.auth.hashers.MD5PasswordHasher"]
OWN_PAGES = ["profile", "edit", "password", "delete", "export"]


class Pair:
    """One who asks, and the other one, with rows of each kind."""

    def __init__(self, client: AsyncClient, me: Person, other: Person) -> None:
        self.client, self.me, self.other = client, me, other


@pytest.fixture
async def pair(database: Database, streams_client: Redis, settings: Any) -> Pair:
    settings.LOCAL_OPERATOR, settings.PASSWORD_HASHERS = False, FAST
    people = []
    for name in ("Mine Alone", "Somebody Else"):
        someone = await account(database, name=name)
        async with database.writing() as session:
            user = await session.get_one(User, someone.person.id)
            session.add_all([score(user), assessment(user), event(aggregate_id=user.id)])
            await session.commit()
        await Taker(database, user.id).begin(seed=name)
        people.append(someone)
    client = AsyncClient()
    await sign_client_in(client, people[0])
    return Pair(client, people[0].person, people[1].person)


async def body(answer: Any) -> str:
    parts = [part async for part in answer] if answer.streaming else [answer.content]
    return b"".join(parts).decode()


def forged(other: Person) -> dict[str, str]:
    """All the names under which a form could say whose row is meant."""
    return dict.fromkeys(["id", "user", "user_id", "pk", "owner", "account", "row_id"], other.id)


class TestOwnData:
    @pytest.mark.parametrize("name", OWN_PAGES)
    async def test_is_shown_and_nobody_elses(self, pair: Pair, name: str) -> None:
        answer = await pair.client.get(reverse(f"accounts:{name}"), forged(pair.other))
        text = await body(answer)

        assert answer.status_code == 200
        assert not any(secret in text for secret in (pair.other.id, pair.other.email, pair.other.name))

    async def test_all_of_it_is_in_the_export(self, pair: Pair) -> None:
        text = await body(await pair.client.get(reverse("accounts:export")))

        assert all(own in text for own in (pair.me.id, pair.me.email, "air_score", "fluency", "UserCreated", "item_id"))

    async def test_a_forged_form_changes_ones_own_profile_alone(self, pair: Pair, database: Database) -> None:
        fields = {"name": "Changed", "email": pair.me.email, "version": "1", **forged(pair.other)}

        answer = await pair.client.post(reverse("accounts:edit"), fields)

        assert answer.status_code == 302
        async with database.reading() as session:
            assert (await session.get_one(User, pair.me.id)).name == "Changed"
            assert (await session.get_one(User, pair.other.id)).name == pair.other.name

    async def test_a_forged_deletion_deletes_oneself_alone(self, pair: Pair, database: Database) -> None:
        answer = await pair.client.post(reverse("accounts:delete"), {"password": PASSWORD, **forged(pair.other)})

        assert answer.status_code == 302
        async with database.reading() as session:
            assert await session.get(User, pair.me.id) is None
            assert await session.get(User, pair.other.id) is not None
