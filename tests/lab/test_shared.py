"""A lab in a database that people use, walked from end to end: it changes nothing of theirs, and shows nobody."""

import asyncio
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import func, select, text

from accounts.cached import CachedUserRepository
from accounts.models import User
from accounts.services import LAB_ADDRESSES, create_user
from assessments.models import AIRScore, Assessment
from assessments.services import add_sample_scores
from outbox import selectors
from outbox.consumer import Consumer
from outbox.models import DomainEvent
from outbox.relay import Relay
from qulab.asgi import application
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.db.probe import probe
from qulab.lab import ownership, urls
from qulab.lab.demo_users import event_demo_user
from qulab.lab.live import stream
from qulab.lab.live.hubs import hubs
from qulab.lab.statements.explain import plan_lines
from tests.access.people import signed_in
from tests.lean.asgi import Exchange

from .conftest import Lab, text_of
from .test_live import until

ABILITIES = {"occupation_code": "15-1252", "fluency": "1", "domain": "0", "adaptive": "0"}
CHECKED = ("users", "assessments", "air_scores", "domain_events", "inbox")
TOKEN = re.compile(r'name="statement" value="([^"]+)"')


class Petra:
    """A person with rows in each table, and what tells of her."""

    def __init__(self, user: User, told: dict[str, list[str]], results: list[str]) -> None:
        self.id, self.name, self.email = user.id, user.name, user.email
        self.told = told  # the ids of her rows, by table
        self.results = results  # addresses of what demonstrations showed of her while the database was the lab's
        self.runs = [address.partition("?run=")[2] for address in results]

    def seen_in(self, page: str, *, but: str = "") -> list[str]:
        """What of her is there; an id that is in `but`, the request itself has named."""
        marks = [self.id, self.name, self.email, *(one for ids in self.told.values() for one in ids)]
        return [mark for mark in marks if mark.lower() in page.lower() and mark not in but]


async def ids(database: Database, column: Any, *where: Any) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(column).where(*where)))


@pytest.fixture
async def petra(lab: Lab, database: Database, streams_client: Redis, cache: Cache) -> Petra:
    """Her events are pending, published and handled; her profile is in the cache. She was there before the lab."""
    async with database.writing() as session:
        user = await create_user(session, email="petra@people.test", name="Petra Private", occupation_code="15-1252")
        await add_sample_scores(session, user_id=user.id)
    await Relay(database, streams_client).drain()
    await Consumer(database, streams_client, "qulab").step()
    runs = [
        (await lab.send(address, user_id=user.id, **ABILITIES))["Location"].removesuffix("#result")
        for address in (
            "/lab/1/try/cascade",
            "/lab/1/try/duplicate",
            "/lab/3/fetch/eager",
            "/lab/3/scores",
            "/lab/5/scores",
        )
    ]
    async with database.writing() as session:
        session.add(Assessment(user_id=user.id, component="vr"))
        await session.commit()
    await CachedUserRepository(database, cache).lookup_by_id(user.id)
    scores = await ids(database, AIRScore.id, AIRScore.user_id == user.id)
    told = {
        "scores": scores,
        "events": await ids(database, DomainEvent.id, DomainEvent.aggregate_id.in_([user.id, *scores])),
        "assessments": await ids(database, Assessment.id, Assessment.user_id == user.id),
    }
    return Petra(user, told, runs)


@pytest.fixture
async def shared(petra: Petra, settings: Any, async_client: AsyncClient) -> AsyncClient:
    """Somebody who comes over the network, into a lab that does not own its database."""
    settings.LAB_OWNS_DATABASE = settings.LOCAL_OPERATOR = False
    settings.LAB = "open"
    async_client.cookies.clear()
    return async_client


def addresses(petra: Petra) -> Iterator[str]:
    """Every address of the lab, about her where it is about somebody."""
    yield from ("/", *petra.results)
    values = {
        "name": ["pool"],
        "path": ["accounts/models.py"],
        "kind": ["queries"],
        "run_id": petra.runs[:1],
        "event_id": [petra.told["events"][0], petra.told["events"][-1]],
    }
    for pattern in urls.urlpatterns:
        route = str(pattern.pattern).removeprefix("^").removesuffix("$")
        parts = re.split(r"\(\?P<\w+>([^)]*)\)|<\w+:(\w+)>", route)
        choices = [
            [fixed] if choice is None and name is None else choice.split("|") if choice else values[name]
            for fixed, choice, name in _in_turn(parts)
        ]
        yield from ("/lab/" + "".join(one) for one in product(*choices))


def _in_turn(parts: list[Any]) -> Iterator[tuple[str, str | None, str | None]]:
    for at, part in enumerate(parts):
        if at % 3 == 0:
            yield part, None, None
        elif part is not None:
            yield "", (part if at % 3 == 1 else None), (part if at % 3 == 2 else None)


async def rows_of(database: Database, petra: Petra) -> dict[str, list[Any]]:
    """All that is stored of her, value by value, and whether the relay may publish."""
    hers = [petra.id, *petra.told["scores"], *petra.told["events"], *petra.told["assessments"]]
    async with database.reading() as session:
        found = {}
        for table in CHECKED:
            rows = await session.execute(text(f"SELECT * FROM {table}"))
            found[table] = sorted(repr(row) for row in rows if any(value in hers for value in row))
        found["paused"] = list(await session.scalars(text("SELECT paused FROM outbox_partitions ORDER BY partition")))
        found["people"] = [await session.scalar(select(func.count()).where(User.email.not_in(LAB_ADDRESSES)))]
    return found


class TestNothingOfHersChangesOrIsShown:
    async def test_whatever_is_sent_to_whatever_address(
        self, shared: AsyncClient, petra: Petra, database: Database
    ) -> None:
        before = await rows_of(database, petra)
        assert all(before.values()), "without rows of hers nothing can change"
        forms = [
            {"user_id": petra.id, "email": "new@people.test", "name": "New", "choice": "1500", **ABILITIES},
            {"user": petra.id, "email": petra.email.upper(), "name": "New", "user_id": ""},
        ]

        answers = {}
        for address, form in product(addresses(petra), forms):
            answer = await shared.post(address, form, follow=True)
            answers[address] = answer.status_code
            assert answer.status_code < 500, address
            assert await rows_of(database, petra) == before, address
            # An id that was typed stays in its field, for whoever typed it.
            assert petra.seen_in(text_of(answer), but=f"{address} {petra.id}") == [], address
            assert text_of(answer).count(petra.id) <= 1, address

        assert {one for one, status in answers.items() if status == 403} >= {
            "/lab/1/users",
            "/lab/2/reset",
            "/lab/5/publisher/stop",
            "/lab/5/publisher/start",
            "/lab/5/crash/commit",
            "/lab/5/crash/publish",
        }

    async def test_the_same_walk_in_a_lab_that_owns_its_database_changes_them(
        self, shared: AsyncClient, petra: Petra, database: Database, settings: Any
    ) -> None:
        """Or the walk above could not fail."""
        settings.LAB_OWNS_DATABASE = True
        before = await rows_of(database, petra)

        await shared.post("/lab/5/publisher/stop")
        paused = await rows_of(database, petra)
        await shared.post("/lab/2/reset")

        assert paused["paused"] != before["paused"]
        assert not (await rows_of(database, petra))["users"]


class TestNobodyIsShown:
    async def test_on_any_page_or_part_of_one_or_in_data(self, shared: AsyncClient, petra: Petra) -> None:
        for address in addresses(petra):
            page = await shared.get(address, follow=True)

            assert page.status_code < 500, address
            assert petra.seen_in(text_of(page), but=address) == [], address

    async def test_the_same_walk_in_a_lab_that_owns_its_database_shows_her(
        self, shared: AsyncClient, petra: Petra, settings: Any
    ) -> None:
        """Or the walk above could not fail: by her profile, her events, her key in Redis, and each result."""
        settings.LAB_OWNS_DATABASE = True
        event = f"/lab/5/events/{petra.told['events'][0]}"

        for address in ("/lab/1", "/lab/3", "/lab/4", "/lab/5", "/lab/5/tables", event, *petra.results):
            assert petra.seen_in(text_of(await shared.get(address)), but=address), address

    async def test_by_a_plan_of_any_statement_of_a_page(self, shared: AsyncClient, petra: Petra) -> None:
        for address in ("/lab/1", "/lab/3", "/lab/5"):
            for token in TOKEN.findall(text_of(await shared.get(address))):
                plan = await shared.get("/lab/explain", {"statement": token})
                assert plan.status_code == 200
                assert petra.seen_in(text_of(plan)) == []

    async def test_what_demonstrations_saved_of_her_before_is_not_there(
        self, shared: AsyncClient, petra: Petra, settings: Any
    ) -> None:
        for run_id, result in zip(petra.runs, petra.results, strict=True):
            assert (await shared.get(result)).status_code == 404
            assert (await shared.get(f"/lab/runs/{run_id}.json")).status_code == 404

        settings.LAB_OWNS_DATABASE = True
        for run_id in petra.runs:
            assert (await shared.get(f"/lab/runs/{run_id}.json")).status_code == 200

    async def test_by_the_words_with_which_her_id_is_refused(self, shared: AsyncClient, petra: Petra) -> None:
        """They are those for somebody who is not here."""
        for address in ("/lab/1/try/cascade", "/lab/3/fetch/lazy", "/lab/5/scores"):
            hers = await shared.post(address, {"user_id": petra.id, **ABILITIES})
            nobodys = await shared.post(address, {"user_id": "nobody", **ABILITIES})

            assert hers.status_code == nobodys.status_code == 422
            assert "The lab may use its own users alone" in text_of(hers)
            assert main_of(hers).replace(petra.id, "nobody") == main_of(nobodys)


def main_of(page: Any) -> str:
    """The page without what differs from one request to the next."""
    without = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|\d\d:\d\d:\d\d|T\d\d:\d\d:\d\d', "", text_of(page))
    return re.sub(r"\d+\.\d+", "", without.partition("<main")[2].partition('<details class="more log"')[0])


class TestItsOwnUsers:
    async def test_are_there_from_the_first_look_and_can_be_used(self, shared: AsyncClient, database: Database) -> None:
        page = text_of(await shared.get("/lab/3"))
        offered = re.findall(r'<option value="([^"]+)"', page.partition('id="id_user"')[2].partition("</select>")[0])

        assert offered
        assert set(offered) <= set(await ids(database, User.id, User.email.in_(LAB_ADDRESSES)))
        for address in ("/lab/3/scores", "/lab/3/fetch/eager", "/lab/1/try/cascade", "/lab/1/try/duplicate"):
            answer = await shared.post(address, {"user": offered[0]})
            assert answer.status_code == 302, address
            assert (await shared.get(answer["Location"])).status_code == 200  # what it saved is shown to anybody

    async def test_their_events_are_seen_in_every_lane(
        self, shared: AsyncClient, database: Database, streams_client: Redis
    ) -> None:
        user = await event_demo_user(database)
        await Relay(database, streams_client).drain()
        await Consumer(database, streams_client, "qulab").step()
        await shared.post("/lab/5/scores", {"user_id": user.id, **ABILITIES})

        page = text_of(await shared.get("/lab/5/tables"))

        created = (await ids(database, DomainEvent.id, DomainEvent.aggregate_id == user.id))[0]
        scored = (await ids(database, DomainEvent.id, DomainEvent.status == "pending"))[-1]
        lanes = dict(re.findall(r'lane lane-(\w+)"(.*?)</div>', page, re.DOTALL))
        assert scored in lanes["pending"]
        assert scored in lanes["transactions"]
        assert created in lanes["published"]
        assert created in lanes["inbox"]
        assert (await shared.get(f"/lab/5/events/{scored}")).status_code == 200

    async def test_the_counts_are_of_all_events(self, shared: AsyncClient, petra: Petra) -> None:
        page = re.sub(r"<[^>]+>|\s+", " ", text_of(await shared.get("/lab/5/tables")))

        assert re.search(r"Pending +4 ", page), page  # hers, after the pass
        assert "The counts are of all events" in page

    async def test_what_is_not_done_here_is_not_offered(self, shared: AsyncClient) -> None:
        for address, words in (("/lab/1", "Create user"), ("/lab/2", "Initialise and"), ("/lab/5", "Crash before")):
            page = text_of(await shared.get(address))
            assert words not in page
            assert "This lab shares its database with people; " in page


class TestStaff:
    async def test_see_all_events_and_still_change_nothing(
        self, shared: AsyncClient, petra: Petra, database: Database
    ) -> None:
        await signed_in(shared, database, is_staff=True)

        page = text_of(await shared.get("/lab/5/tables"))

        assert any(one in page for one in petra.told["events"])
        assert (await shared.get(f"/lab/5/events/{petra.told['events'][0]}")).status_code == 200
        assert (await shared.post("/lab/2/reset")).status_code == 403
        assert (await shared.post("/lab/3/scores", {"user_id": petra.id})).status_code == 422

    async def test_people_see_no_more_than_anybody(self, shared: AsyncClient, petra: Petra, database: Database) -> None:
        await signed_in(shared, database)

        assert petra.seen_in(text_of(await shared.get("/lab/5/tables"))) == []


def cookies_of(client: AsyncClient) -> str:
    return "; ".join(f"{name}={one.value}" for name, one in client.cookies.items())


class TestLive:
    async def html(self, client: AsyncClient) -> str:
        """What a stream says of the outbox first."""
        tab = Exchange("/live?topics=outbox", headers={"cookie": cookies_of(client)})
        task = asyncio.create_task(tab.with_(application))
        try:
            await until(lambda: b'"topic":"outbox"' in tab.body and b"lane-inbox" in tab.body)
            return tab.body.decode()
        finally:
            tab.leave()
            await asyncio.wait({task})
            await hubs.close()

    async def test_anybody_hears_of_the_labs_own_users_and_staff_of_all(
        self, shared: AsyncClient, petra: Petra, database: Database
    ) -> None:
        heard = await self.html(shared)
        await signed_in(shared, database, is_staff=True)
        by_staff = await self.html(shared)

        assert petra.seen_in(heard) == []
        assert any(one in by_staff for one in petra.told["events"])

    async def test_what_not_everybody_hears_ends_by_itself_so_that_rights_are_asked_again(
        self, shared: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "ASKS_AGAIN", 0.0)
        await signed_in(shared, database, is_staff=True)
        tab = Exchange("/live?topics=outbox", headers={"cookie": cookies_of(shared)})

        async with asyncio.timeout(5):
            await tab.with_(application)

        assert tab.body.startswith(b"retry:")
        await hubs.close()


class TestQuestions:
    @pytest.mark.parametrize(
        ("address", "statements"),
        [("/lab/1", 2), ("/lab/3", 1), ("/lab/4", 2), ("/lab/5", 5), ("/lab/5/tables", 4), ("/lab/2/reset", 0)],
    )
    async def test_are_as_many_however_many_people_there_are(
        self, shared: AsyncClient, database: Database, address: str, statements: int
    ) -> None:
        await shared.get(address)  # makes its users

        with probe(database.engine) as opened:
            await shared.get(address)

        assert opened.count == statements

    async def test_the_newest_scores_of_each_are_taken(self, shared: AsyncClient, database: Database) -> None:
        user = await event_demo_user(database)
        for _ in range(8):
            async with database.writing() as session:
                await add_sample_scores(session, user_id=user.id)
        async with database.reading() as session:
            subjects = await ownership.subjects(session)

        newest = await ids(database, AIRScore.id, AIRScore.user_id == user.id)
        assert len(newest) == 24
        assert set(subjects) - {user.id} <= set(newest)
        assert len(subjects) == 1 + ownership.SCORES_EACH

    async def test_events_of_some_are_found_by_their_aggregates(self, shared: AsyncClient, database: Database) -> None:
        """Not through all that lies between them in the order of time."""
        async with database.reading() as session:
            if database.dialect == "postgresql":  # which reads a table of a few rows from end to end
                await session.execute(text("SET LOCAL enable_seqscan = off"))
            with probe(database.engine) as opened:
                await selectors.events_of(session, ["a", "b"], 7)
            plan = await plan_lines(session, opened.statements[-1].sql)

        assert any("ix_domain_events_aggregate_id" in line for line in plan), plan
