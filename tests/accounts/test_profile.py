"""One's own profile: seen, edited, downloaded and deleted by nobody else."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.test import AsyncClient
from sqlalchemy import func, select

from accounts import export as exporting
from accounts.models import Credentials, User
from accounts.selectors import Belongings, owned
from accounts.services import update_user
from assessments.models import AIRScore, Assessment, Response, Sitting
from assessments.services import add_sample_scores
from outbox.models import DomainEvent
from qulab.admin.cascade import dependents
from qulab.admin.models import Audit
from qulab.db.engine import Database
from tests.access.people import PASSWORD, account
from tests.admin.conftest import store
from tests.assessments.sitters import Taker

from .pages import EMAIL, is_signed_in, post, sign_in, somebody, words

OTHER = "other@example.com"


async def save(client: AsyncClient, **changed: Any) -> Any:
    return await post(client, "edit", **{"name": "Ada", "email": EMAIL, "version": 1, **changed})


def fields(answer: Any) -> dict[str, str]:
    """What a browser sends where the form is sent as it is shown."""
    inputs = [dict(re.findall(r'(\S+)="([^"]*)"', tag)) for tag in re.findall("<input[^>]*>", words(answer))]
    return {one["name"]: unescape(one.get("value", "")) for one in inputs if "name" in one}


def counted(page: str) -> dict[str, int]:
    """What is said to belong to the account."""
    return {name: int(count) for name, count in re.findall(r'<th scope="row">([^<]+)</th><td>(\d+)</td>', page)}


async def row(database: Database, user_id: str) -> User:
    async with database.reading() as session:
        return await session.get_one(User, user_id)


class TestProfile:
    async def test_shows_what_is_stored_and_nobody_elses(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database, name="Ada <b>", occupation_code="15-1252", years_experience=2.5)
        await somebody(database, email=OTHER, name="Somebody Else")
        await sign_in(browser)

        shown = words(await browser.get("/accounts/profile"))

        for text in ("Ada &lt;b&gt;", EMAIL, "15-1252", "2.5"):
            assert text in shown
        assert OTHER not in shown
        assert "Somebody Else" not in shown

    async def test_of_the_operator_says_that_none_is_needed(self, browser: AsyncClient, settings: Any) -> None:
        settings.LOCAL_OPERATOR = True

        answer = await browser.get("/accounts/profile")

        assert answer.status_code == 200
        assert "You are the operator at this machine" in words(answer)

    async def test_of_nobody_leads_to_the_sign_in(self, browser: AsyncClient) -> None:
        answer = await browser.get("/accounts/profile")

        assert answer["Location"] == "/accounts/sign-in?next=%2Faccounts%2Fprofile"


class TestEdit:
    async def test_stores_what_was_typed_and_empty_as_nothing(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database, occupation_code="15-1252", education_level="PhD")
        await sign_in(browser)

        answer = await save(browser, name=" Ada L. ", years_experience="3.5", occupation_code="")

        assert answer["Location"] == "/accounts/profile?done=profile"
        stored = await row(database, person.id)
        assert (stored.name, stored.years_experience, stored.occupation_code) == ("Ada L.", 3.5, None)
        assert (stored.education_level, stored.email, stored.version) == (None, EMAIL, 2)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("email", "nowhere"),
            ("email", '"\x0b"@example.com'),
            ("occupation_code", "15-12"),
            ("occupation_code", "15-1252\n"),
            ("education_level", "x" * 51),
            ("education_level", "null \x00 byte"),
            ("years_experience", "-1"),
            ("years_experience", "nan"),
            ("years_experience", "1e400"),
            ("version", ""),
            ("version", "99999999999999999999"),
        ],
    )
    async def test_refuses_at_its_field_and_stores_nothing(
        self, browser: AsyncClient, database: Database, field: str, value: str
    ) -> None:
        person = await somebody(database)
        await sign_in(browser)

        answer = await save(browser, **{field: value})

        if value == "15-1252\n":  # the end of a line is outer space, and left out
            assert answer.status_code == 302
            return
        assert answer.status_code == 422
        assert (await row(database, person.id)).version == 1

    async def test_shows_the_difference_where_the_profile_was_changed_meanwhile(
        self, browser: AsyncClient, database: Database
    ) -> None:
        person = await somebody(database, education_level="PhD")
        await sign_in(browser)
        async with database.writing() as session:
            await update_user(session, user_id=person.id, name="By Staff", education_level="Master's")

        answer = await save(browser, name="By Me", education_level="PhD")

        assert answer.status_code == 409
        shown = words(answer)
        for text in ("By Staff", "By Me", "Master&#x27;s", "PhD", 'name="version" value="2"'):
            assert text in shown
        assert (await row(database, person.id)).name == "By Staff"
        assert (await save(browser, name="By Me", version=2)).status_code == 302
        assert (await row(database, person.id)).name == "By Me"

    async def test_overwrites_nothing_that_was_not_typed(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database, occupation_code="15-1252", education_level="PhD", years_experience=2.5)
        await sign_in(browser)
        opened = fields(await browser.get("/accounts/edit"))
        async with database.writing() as session:
            changes = {"email": OTHER, "occupation_code": None, "education_level": "Master's", "years_experience": 3.0}
            await update_user(session, user_id=person.id, **changes)

        answer = await post(browser, "edit", **{**opened, "name": "By Me", "education_level": "BSc"})
        merged = fields(answer)

        assert answer.status_code == 409
        assert re.findall('<th scope="row">(.*?)</th>', words(answer)) == ["Name", "Education"]
        shown = [merged[name] for name in ("name", "email", "occupation_code", "education_level", "years_experience")]
        assert shown == ["By Me", OTHER, "", "BSc", "3.0"]
        assert (await post(browser, "edit", **merged)).status_code == 302
        stored = await row(database, person.id)
        assert (stored.name, stored.email, stored.occupation_code) == ("By Me", OTHER, None)
        assert (stored.education_level, stored.years_experience) == ("BSc", 3.0)

    async def test_stores_no_address_that_a_form_pretends_to_have_begun_with(
        self, browser: AsyncClient, database: Database
    ) -> None:
        person = await somebody(database)
        await sign_in(browser)

        await save(browser, **{"email": OTHER, "initial-email": OTHER})

        assert (await row(database, person.id)).email == EMAIL

    async def test_of_the_address_needs_the_password(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database)
        await sign_in(browser)

        without = await save(browser, email="new@example.com")
        wrong = await save(browser, email="new@example.com", password="not it")
        assert (without.status_code, wrong.status_code) == (422, 422)
        assert "Another address needs your password." in words(without)
        assert (await row(database, person.id)).email == EMAIL

        right = await save(browser, email="New@Example.com", password=PASSWORD)

        assert right.status_code == 302
        assert (await row(database, person.id)).email == "new@example.com"
        assert await is_signed_in(browser)

    async def test_to_an_address_that_somebody_has_is_refused(self, browser: AsyncClient, database: Database) -> None:
        await somebody(database)
        await somebody(database, email=OTHER)
        await sign_in(browser)

        answer = await save(browser, email=OTHER, password=PASSWORD)

        assert answer.status_code == 422
        assert "Somebody else has this address." in words(answer)

    async def test_reaches_nobody_elses_profile_whatever_is_sent(
        self, browser: AsyncClient, database: Database
    ) -> None:
        await somebody(database)
        other = await somebody(database, email=OTHER, name="Other")
        await sign_in(browser)

        await save(browser, id=other.id, user_id=other.id, pk=other.id, is_staff="on", created_at="2000-01-01")

        stored = await row(database, other.id)
        assert (stored.name, stored.version) == ("Other", 1)
        async with database.reading() as session:
            assert not await session.scalar(select(func.count()).where(Credentials.is_staff))


class TestDelete:
    async def test_counts_what_goes_along_and_deletes_all_of_it(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database)
        other = await somebody(database, email=OTHER)
        elsewhere = AsyncClient()
        for client in (browser, elsewhere):
            await sign_in(client)
        for user_id in (person.id, other.id):
            async with database.writing() as session:
                await add_sample_scores(session, user_id=user_id)
        await store(database, Assessment(user_id=person.id, component="fluency"))
        await store(
            database,
            Audit(via="operator", action="update", list_name="users", row_id=person.id, changes={"name": ["Ada", "B"]}),
        )

        shown = words(await browser.get("/accounts/delete"))
        answer = await post(browser, "delete", password=PASSWORD)

        assert counted(shown) == {"Tests begun": 0, "Questions asked": 0, "Scores": 3}
        assert answer["Location"] == "/accounts/gone"
        async with database.reading() as session:
            left = (await session.scalars(select(User.id))).all()
            owners = set((await session.scalars(select(AIRScore.user_id))).all())
            counts = [
                await session.scalar(select(func.count()).select_from(model)) for model in (Assessment, Credentials)
            ]
            events = (await session.scalars(select(DomainEvent.event_type))).all()
            audit = (await session.execute(select(Audit.via, Audit.action, Audit.changes).order_by(Audit.id))).all()
        assert (left, owners, counts) == ([other.id], {other.id}, [0, 1])
        assert "UserDeleted" in events
        assert [tuple(entry) for entry in audit] == [("operator", "update", {}), ("person", "delete", {})]
        assert not await is_signed_in(browser)
        assert not await is_signed_in(elsewhere)

    async def test_takes_tests_along_whether_they_are_over_or_not(
        self, browser: AsyncClient, database: Database
    ) -> None:
        person = await somebody(database)
        other = await somebody(database, email=OTHER)
        await sign_in(browser)
        taker = Taker(database, person.id)
        await taker.finish(await taker.begin())
        await taker.begin(seed="later")
        await Taker(database, other.id).begin()
        owned = (Sitting, Assessment, Response, AIRScore)
        async with database.reading() as session:
            asked = await session.scalar(select(func.count()).select_from(Response))

        expected = {"Tests begun": 2, "Questions asked": (asked or 0) - 1, "Scores": 1}
        assert counted(words(await browser.get("/accounts/profile"))) == expected
        assert counted(words(await browser.get("/accounts/delete"))) == expected
        await post(browser, "delete", password=PASSWORD)

        async with database.reading() as session:
            left = [await session.scalar(select(func.count()).select_from(model)) for model in owned]
        assert left == [1, 1, 1, 0]

    @pytest.mark.parametrize("password", ["", "not it"])
    async def test_needs_the_password(self, browser: AsyncClient, database: Database, password: str) -> None:
        person = await somebody(database)
        await sign_in(browser)

        answer = await post(browser, "delete", password=password)

        assert answer.status_code == 422
        assert "What is deleted" in words(answer)
        assert await row(database, person.id)

    async def test_by_a_link_deletes_nothing(self, browser: AsyncClient, database: Database) -> None:
        person = await somebody(database)
        await sign_in(browser)

        await browser.get(f"/accounts/delete?password={PASSWORD}")

        assert await row(database, person.id)


class TestExport:
    async def test_has_all_that_is_stored_and_nothing_of_others_and_no_hash(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exporting, "PAGE", 2)  # so that lists take several
        person, other = await somebody(database), await somebody(database, email=OTHER)
        await sign_in(browser)
        for user_id in (person.id, other.id):
            async with database.writing() as session:
                await add_sample_scores(session, user_id=user_id)
            async with database.writing() as session:
                await update_user(session, user_id=user_id, name="Changed")

        answer = await browser.get("/accounts/export.json")
        document = b"".join([piece async for piece in answer.streaming_content]).decode()

        assert answer["Content-Disposition"] == 'attachment; filename="qulab-account.json"'
        assert "no-store" in answer["Cache-Control"]
        data = json.loads(document)
        assert (data["profile"]["id"], data["profile"]["email"]) == (person.id, EMAIL)
        assert set(data["account"]) == {"user_id", "is_staff", "last_sign_in_at", "created_at", "updated_at"}
        assert [score["user_id"] for score in data["scores"]] == [person.id] * 3
        assert len({score["id"] for score in data["scores"]}) == 3
        types = sorted(event["event_type"] for event in data["events"])
        assert types == ["AIRScoreCalculated"] * 3 + ["UserUpdated"]
        assert (data["assessments"], data["changes"]) == ([], [])
        assert other.id not in document
        async with database.reading() as session:
            credentials = await session.get_one(Credentials, person.id)
        assert check_password(PASSWORD, credentials.password)
        assert credentials.password not in document

    async def test_has_every_question_of_ones_tests_with_the_answer_and_none_of_others(
        self, browser: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exporting, "PAGE", 2)
        person, other = await somebody(database), await somebody(database, email=OTHER)
        await sign_in(browser)
        mine, theirs = Taker(database, person.id), Taker(database, other.id, seed=2)
        sitting_id, their_sitting = await mine.begin(), await theirs.begin(seed="another")
        await mine.finish(sitting_id)
        await theirs.step(their_sitting)
        await mine.begin(seed="later")

        answer = await browser.get("/accounts/export.json")
        document = b"".join([piece async for piece in answer.streaming_content]).decode()

        data = json.loads(document)
        async with database.reading() as session:
            own = select(Assessment.id).where(Assessment.user_id == person.id)
            asked = (await session.scalars(select(Response.id).where(Response.assessment_id.in_(own)))).all()
        assert [one["status"] for one in data["sittings"]] == ["completed", "in_progress"]
        assert [one["sitting_id"] for one in data["scores"]] == [sitting_id]
        assert [one["status"] for one in data["assessments"]] == ["completed"] * 3
        (unfinished,) = data["unfinished_assessments"]
        assert not {"current_ability", "posterior_sd"} & set(unfinished)
        assert not [event for event in data["events"] if event["event_type"] == "AssessmentItemAnswered"]
        assert [one["id"] for one in data["responses"]] == sorted(asked)
        assert [one["answered_at"] is None for one in data["responses"]] == [False] * (len(asked) - 1) + [True]
        assert not {"key", "rationale", "options", "is_right", "theta", "candidates"} & set(data["responses"][0])
        assert "seed" not in data["sittings"][0]
        types = {event["event_type"] for event in data["events"]}
        assert {"AssessmentStarted", "AssessmentCompleted", "AIRScoreCalculated"} <= types
        assert their_sitting not in document
        assert other.id not in document

    async def test_has_and_counts_each_table_that_a_deletion_empties(self, database: Database) -> None:
        """A table that somebody adds and forgets here would be missing from what people get of their data."""
        tables = {table.name for table in dependents(User.__table__, ())} - {"credentials"}  # these are the account

        assert {model.__tablename__ for model, _ in owned("somebody").values()} == tables
        assert Belongings.__struct_fields__ == tuple(owned("somebody"))

    async def test_of_who_was_staff_says_nothing_of_whom_they_changed(
        self, browser: AsyncClient, database: Database
    ) -> None:
        person, other = await somebody(database), await somebody(database, email=OTHER)
        entry = {"via": "person", "action": "update", "list_name": "users"}
        await store(
            database,
            Audit(**entry, actor_id=person.id, row_id=other.id, changes={"email": [OTHER, "new@example.com"]}),
            Audit(**entry, actor_id=other.id, row_id=person.id, changes={"name": ["Ada", "Eda"]}, reason="asked"),
        )
        await sign_in(browser)

        answer = await browser.get("/accounts/export.json")
        document = b"".join([piece async for piece in answer.streaming_content]).decode()

        (change,), (deed,) = json.loads(document)["changes"], json.loads(document)["deeds"]
        assert change["changes"] == {"name": ["Ada", "Eda"]}
        assert deed["action"] == "update"
        assert not any(secret in document for secret in (OTHER, "new@example.com", other.id, "asked"))

    async def test_of_somebody_else_cannot_be_asked_for(self, browser: AsyncClient, database: Database) -> None:
        person, other = await somebody(database), await somebody(database, email=OTHER)
        await sign_in(browser)

        answer = await browser.get(f"/accounts/export.json?user_id={other.id}&id={other.id}")
        document = json.loads(b"".join([piece async for piece in answer.streaming_content]))

        assert document["profile"]["id"] == person.id

    async def test_holds_no_connection_while_its_reader_is_slow(self, browser: AsyncClient, database: Database) -> None:
        known = await account(database, email=EMAIL)
        pieces = exporting.export(database, known.person.id)

        async for _piece in pieces:
            assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
