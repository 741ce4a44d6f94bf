"""What a deletion would take along is shown before, is what it takes, and is told in the audit by its exact number."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from django.test import AsyncClient
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, func, select
from sqlalchemy.exc import DBAPIError

from accounts.cached import CachedUserRepository
from accounts.models import User
from assessments.cached import CachedAIRScoreRepository
from outbox import services as of_outbox
from outbox.models import DomainEvent, Status
from qulab.admin import cascade, declare, services
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.cache.read_through import Cache
from qulab.db.base import Base
from qulab.db.engine import Database
from qulab.db.probe import probe
from qulab.db.session import Session
from tests.access.people import account, signed_in
from tests.admin.conftest import Desk, Page, assessment, event, score, store, user, users
from tests.admin.test_editing import entries, event_types, stored

pytestmark = pytest.mark.usefixtures("cache", "cheap_hashes")


async def confirm(desk: Desk, page: Page, name: str, **fields: Any) -> Page:
    return await desk.send(f"{name}/delete", **{**page.hidden(), **fields})


async def counts(database: Database) -> dict[str, int]:
    """Rows by table."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != "audit"]
    async with database.reading() as session:
        return {table.name: await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


class TestPreview:
    async def test_names_what_goes_along_and_how_much_of_it(self, desk: Desk, database: Database) -> None:
        known = await account(database, name="Zoë")
        owner, other = await stored(database, known.person.id), user(1)
        await store(database, other)
        await store(
            database,
            *(score(other) for _ in range(2)),
            *(score(owner) for _ in range(12)),
            *(assessment(owner) for _ in range(3)),
        )

        page = await desk.get(f"users/delete?id={owner.id}")

        assert page.status == 200
        assert "Delete 1 user?" in page.text
        assert "A deletion cannot be undone." in page.text
        for line in ("With it go", "3 assessments", "12 scores", "1 sign-in "):
            assert line in page.text

    async def test_is_exactly_what_is_deleted(self, desk: Desk, database: Database) -> None:
        known = await account(database)
        owners = [await stored(database, known.person.id), *await users(database, 3)]
        kept = user(9, name="Kept")
        await store(database, kept)
        await store(database, *(score(one) for one in [*owners, kept] for _ in range(2)))
        await store(database, assessment(owners[0]))
        before, where = await counts(database), User.name != "Kept"
        async with database.reading() as session:
            told = {one.title: one.count for one in await cascade.along(session, site.get("users"), where)}

        page = await desk.get("users/delete?" + "&".join(f"id={one.id}" for one in owners))
        answer = await confirm(desk, page, "users")

        after = await counts(database)
        gone = {name: before[name] - after[name] for name in before if before[name] > after[name]}
        assert gone == {"users": 4, "air_scores": 8, "assessments": 1, "credentials": 1}
        assert told == {"assessment": "1", "scores": "8", "sign-in": "1"}
        assert answer.response["Location"] == "/admin/users?done=delete&n=4"
        assert "4 users are deleted." in (await desk.get("users?done=delete&n=4")).text

    async def test_of_several_speaks_of_them_and_asks_for_their_number(self, desk: Desk, database: Database) -> None:
        await store(database, *(score(one) for one in await users(database, 2)))

        page = await desk.get("users/delete?all=1")

        assert "With them go 2 scores" in page.text
        assert ">Delete 2 users</button>" in page.html

    async def test_warns_who_would_delete_their_own_account(
        self, desk: Desk, database: Database, async_client: AsyncClient
    ) -> None:
        own = "Your own account is among them: you are signed out at once."
        other = user()
        await store(database, other)
        me = await signed_in(async_client, database, is_staff=True, name="Me")

        for asking, told in [
            (f"id={me.id}", True),
            ("all=1", True),
            (f"id={other.id}", False),
            ("all=1&q=0000", False),
        ]:
            assert (own in (await desk.get(f"users/delete?{asking}")).text) is told, asking

    async def test_of_a_row_that_nothing_belongs_to_says_so(self, desk: Desk, database: Database) -> None:
        one = user()
        await store(database, one)

        assert "Nothing else: no other rows belong to it." in (await desk.get(f"users/delete?id={one.id}")).text

    async def test_takes_three_statements_and_changes_nothing(self, desk: Desk, database: Database) -> None:
        await users(database, 3)
        before = await counts(database)

        with probe(database.engine) as opened:
            await desk.get("users/delete?all=1")

        assert opened.count == 3
        assert await counts(database) == before

    def test_goes_on_from_table_to_table_and_ends_where_they_are_a_ring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tables = MetaData()
        for name, parent, rule in [
            ("trunk", "leaf", "CASCADE"), ("branch", "trunk", "CASCADE"), ("leaf", "branch", "CASCADE"),
            ("stone", "trunk", "SET NULL"),
        ]:  # fmt: skip
            up = ForeignKey(f"{parent}.id", ondelete=rule, use_alter=True, name=f"fk_{name}")
            Table(name, tables, Column("id", Integer, primary_key=True), Column("up", up))
        monkeypatch.setattr(cascade, "Base", SimpleNamespace(metadata=tables))
        trunk = tables.tables["trunk"]

        found = cascade.dependents(trunk, (trunk.c.id == 1,))

        told = {table.name: " ".join(str(clause).split()) for table, clause in found.items()}
        assert set(told) == {"branch", "leaf", "trunk"}
        assert told["leaf"] == (
            "leaf.up IN (SELECT branch.id FROM branch WHERE branch.up IN "
            "(SELECT trunk.id FROM trunk WHERE trunk.id = :id_1))"
        )

    @pytest.mark.parametrize("table", [admin.model.__table__ for admin in site], ids=lambda table: table.name)
    def test_no_foreign_key_stands_in_the_way_of_a_deletion(self, table: Table) -> None:
        pointing = [key for one in Base.metadata.sorted_tables for key in one.foreign_keys if key.column.table is table]

        assert pointing == list(cascade.cascading(table)) or {key.constraint.ondelete for key in pointing} == {
            "CASCADE"
        }


class TestDelete:
    async def test_leads_from_the_row_over_the_question_to_the_list(self, desk: Desk, database: Database) -> None:
        one = user()
        await store(database, one)
        (address,) = (await desk.get(f"users/{one.id}")).links("Delete…")

        answer = await confirm(desk, await desk.get(address.removeprefix("/admin/")), "users")

        (entry,) = await entries(database)
        assert answer.response["Location"] == "/admin/users?done=delete&n=1"
        assert (entry.action, entry.row_id, entry.rows, entry.changes) == ("delete", one.id, 1, {})
        assert await event_types(database) == ["UserDeleted"]

    async def test_of_all_that_match_says_in_the_audit_what_was_asked_for(self, desk: Desk, database: Database) -> None:
        await users(database, 3, occupation_code="15-1252")
        await store(database, user(9))

        page = await desk.get("users/delete?all=1&occupation_code=15-1252")
        await confirm(desk, page, "users")

        (entry,) = await entries(database)
        assert (entry.rows, entry.row_id) == (3, None)
        assert entry.filter == {"all": "1", "occupation_code": "15-1252"}
        assert (await counts(database))["users"] == 1

    async def test_of_ticked_rows_names_them_in_the_audit(self, desk: Desk, database: Database) -> None:
        ids = [one.id for one in await users(database, 3)][:2]

        await confirm(desk, await desk.get(f"users/delete?id={ids[0]}&id={ids[1]}"), "users")

        (entry,) = await entries(database)
        assert entry.filter == {"id": ids}

    async def test_more_than_were_confirmed_are_asked_about_again(self, desk: Desk, database: Database) -> None:
        await users(database, 2)
        page = await desk.get("users/delete?all=1")
        await store(database, user(9))

        answer = await confirm(desk, page, "users")

        assert answer.status == 409
        assert "Delete 3 users?" in answer.text
        assert (await counts(database))["users"] == 3
        assert not await entries(database)

    async def test_more_than_the_bound_is_refused_in_words(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admin = site.get("users")
        action = msgspec.structs.replace(site.action(admin, "delete"), most=2)
        monkeypatch.setattr("qulab.admin.site.Site.action", lambda _site, _admin, _name: action)
        await users(database, 3)

        page = await desk.get("users/delete?all=1")
        sent = await desk.send("users/delete", all="1", confirmed="9")

        for one in (page, sent):
            assert one.status == 422
            assert "At most 2 rows at once; more than that match." in one.text
            assert "<form" not in one.main
        assert (await counts(database))["users"] == 3

    def test_ten_thousand_rows_go_at_once_at_most(self) -> None:
        assert {
            site.action(admin, "delete").most for admin in site if ("delete" in {a.name for a in admin.actions})
        } == {declare.MOST_DELETED}
        assert declare.MOST_DELETED == 10_000

    async def test_forgets_what_the_audit_knew_of_the_person(self, desk: Desk, database: Database) -> None:
        one = user()
        await store(database, one)
        path = f"users/{one.id}/edit"
        page = await desk.get(path)
        from tests.admin.test_editing import save

        await save(desk, page, path, name="Another Name")
        await desk.send("users/delete", id=one.id, confirmed="1")

        assert [(entry.action, entry.changes) for entry in await entries(database)] == [("update", {}), ("delete", {})]

    async def test_the_cache_forgets_who_is_gone(self, desk: Desk, database: Database, cache: Cache) -> None:
        one = user()
        await store(database, one)
        cached = CachedUserRepository(database, cache)
        assert await cached.get_by_id_cached(one.id)

        await desk.send("users/delete", id=one.id, confirmed="1")

        assert await cached.get_by_id_cached(one.id) is None

    async def test_a_deleted_score_is_no_longer_the_latest(self, desk: Desk, database: Database, cache: Cache) -> None:
        owner = user()
        await store(database, owner)
        await store(database, first := score(owner, 40.0))
        await store(database, last := score(owner, 60.0))
        cached = CachedAIRScoreRepository(database, cache)
        assert await cached.get_latest_score_cached(owner.id)

        await desk.send("scores/delete", id=last.id, confirmed="1")

        found = await cached.get_latest_score_cached(owner.id)
        assert found is not None
        assert found.id == first.id
        assert await event_types(database) == ["AIRScoreDeleted"]

    async def test_assessments_go_with_an_event_for_each(self, desk: Desk, database: Database) -> None:
        owner = user()
        await store(database, owner, assessment(owner), assessment(owner))

        await desk.send("assessments/delete", all="1", confirmed="2")

        assert await event_types(database) == ["AssessmentDeleted"] * 2
        async with database.reading() as session:
            payloads = list(await session.scalars(select(DomainEvent.payload)))
        assert {one["user_id"] for one in payloads} == {owner.id}

    async def test_a_row_that_went_meanwhile_leaves_no_audit(self, desk: Desk, database: Database) -> None:
        one = user()
        await store(database, one)
        page = await desk.get(f"users/delete?id={one.id}")
        await confirm(desk, page, "users")

        again = await confirm(desk, page, "users")

        assert again.response["Location"].endswith("done=delete&n=0")
        assert len(await entries(database)) == 1


class Deadlock(Exception):
    sqlstate = "40P01"


class TestAct:
    """What operators do with events is in the audit, in the transaction of the change."""

    async def test_the_audit_says_how_many_rows_the_update_changed_and_why(
        self, desk: Desk, database: Database
    ) -> None:
        await store(database, event(Status.DEAD), event(Status.DEAD), event())

        page = await desk.get("events/discard?all=1&event_type=UserCreated")
        await desk.send("events/discard", **{**page.hidden(), "reason": "a test of the importer"})

        (entry,) = await entries(database)
        assert (entry.action, entry.list_name, entry.rows, entry.via) == ("discard", "events", 2, "operator")
        assert entry.reason == "a test of the importer"
        assert entry.filter == {"all": "1", "event_type": "UserCreated"}

    async def test_the_audit_counts_what_was_changed_and_not_what_was_confirmed(
        self, desk: Desk, database: Database
    ) -> None:
        await store(database, event(Status.DEAD), event())

        await desk.send("events/redrive", all="1", confirmed="9")

        assert [entry.rows for entry in await entries(database)] == [1]

    async def test_rows_that_came_after_the_count_are_never_changed_unasked(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store(database, event(Status.DEAD), event(Status.DEAD))

        async def too_few(*_: Any) -> tuple[int, int]:
            return 1, 0

        page = await desk.get("events/redrive?all=1")
        monkeypatch.setattr("qulab.admin.actions._counts", too_few)
        answer = await desk.send("events/redrive", **{**page.hidden(), "confirmed": "1"})

        assert answer.status == 409
        async with database.reading() as session:
            assert set(await session.scalars(select(DomainEvent.status))) == {"dead"}
            assert not (await session.scalars(select(Audit))).all()

    async def test_what_the_database_gave_up_is_tried_again_whole(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admin, tries = site.get("events"), []

        async def deadlocked_once(session: Session, *where: Any) -> int:
            count = await of_outbox.redrive_events(session, *where)
            tries.append(count)
            if len(tries) == 1:
                raise DBAPIError("UPDATE", None, Deadlock())
            return count

        action = msgspec.structs.replace(site.action(admin, "redrive"), run=deadlocked_once)
        monkeypatch.setattr("qulab.admin.site.Site.action", lambda _site, _admin, _name: action)
        await store(database, event(Status.DEAD), event(Status.DEAD))

        answer = await desk.send("events/redrive", all="1", confirmed="2")

        assert answer.status == 302
        assert tries == [2, 2]
        assert [entry.rows for entry in await entries(database)] == [2]

    async def test_without_its_audit_row_no_event_is_changed(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store(database, event(Status.DEAD))

        def broken(*_: Any, **__: Any) -> Audit:
            raise RuntimeError("no audit")

        monkeypatch.setattr(services.audit, "record", broken)
        with pytest.raises(RuntimeError, match="no audit"):
            await desk.send("events/redrive", all="1", confirmed="1")

        async with database.reading() as session:
            assert set(await session.scalars(select(DomainEvent.status))) == {"dead"}

    async def test_the_outbox_itself_still_commits(self, database: Database, desk: Desk) -> None:
        await store(database, event(Status.DEAD))

        async with database.writing() as session:
            assert await of_outbox.redrive(session) == 1

        async with database.reading() as session:
            assert set(await session.scalars(select(DomainEvent.status))) == {"pending"}
