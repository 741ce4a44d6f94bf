"""Two people with data of their own: whatever one of them asks or sends, nothing of the other is shown or changed."""

from typing import Any

import pytest
from django.test import AsyncClient
from django.urls import reverse
from redis.asyncio import Redis
from sqlalchemy import select

from accounts.models import User
from assessments import sittings
from assessments.models import AIRScore, Sitting
from assessments.selectors import overview_of
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


class TestOwnTest:
    @pytest.fixture
    async def theirs(self, pair: Pair, database: Database) -> str:
        """The test that the other one takes; one's own is given up."""
        async with database.writing() as session:
            seen = [(await overview_of(session, person.id)).open for person in (pair.me, pair.other)]
            assert seen[0] is not None
            assert seen[1] is not None
            await sittings.abandon(session, user_id=pair.me.id, sitting_id=seen[0].id)
        return seen[1].id

    async def test_is_begun_for_oneself_whatever_a_form_says(self, pair: Pair, theirs: str, database: Database) -> None:
        answer = await pair.client.post(
            reverse("assessments:begin"), {"occupation_code": "29-1141", "sitting_id": theirs, **forged(pair.other)}
        )

        assert answer.status_code == 303
        async with database.reading() as session:
            begun = (await session.scalars(select(Sitting).where(Sitting.occupation_code == "29-1141"))).one()
        assert begun.user_id == pair.me.id

    async def test_is_shown_and_nobody_elses(self, pair: Pair, theirs: str) -> None:
        text = await body(await pair.client.get(reverse("assessments:overview"), forged(pair.other)))

        assert "Begin the test" in text or "Take the test again" in text
        assert not any(secret in text for secret in (theirs, pair.other.id, pair.other.name))

    @pytest.mark.parametrize("name", ["sitting", "answer", "abandon"])
    @pytest.mark.parametrize("method", ["get", "post"])
    async def test_of_another_person_is_neither_shown_nor_changed(
        self, pair: Pair, theirs: str, database: Database, name: str, method: str
    ) -> None:
        async with database.reading() as session:
            progress = await sittings.progress_of(session, user_id=pair.other.id, sitting_id=theirs)
        assert progress.pending is not None
        fields = {"question": progress.pending.question, "letter": "a", "letters": "a", "number": "1"}

        answer = await getattr(pair.client, method)(
            reverse(f"assessments:{name}", args=[theirs]), {**fields, **forged(pair.other)}, follow=True
        )

        assert answer.status_code == (405 if (name, method) == ("sitting", "post") else 404)
        async with database.reading() as session:
            assert await sittings.progress_of(session, user_id=pair.other.id, sitting_id=theirs) == progress


class TestOwnResult:
    @pytest.mark.parametrize("name", ["result", "result-json"])
    async def test_is_shown_and_nobody_elses(self, pair: Pair, database: Database, name: str) -> None:
        async with database.reading() as session:
            scores = dict((await session.execute(select(AIRScore.user_id, AIRScore.id))).tuples().all())

        mine, theirs = [
            await pair.client.get(reverse(f"assessments:{name}", args=[scores[person.id]]), forged(pair.other))
            for person in (pair.me, pair.other)
        ]

        assert (mine.status_code, theirs.status_code) == (200, 404)
        assert not any(secret in mine.content.decode() for secret in (scores[pair.other.id], pair.other.id))
