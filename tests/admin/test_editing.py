"""Staff make and mend rows: each change with its audit row, and none over a change that the form did not show."""

import asyncio
from html import unescape
from re import findall, search
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import select

from accounts.models import User
from accounts.services import update_user
from assessments.models import Assessment
from outbox.models import DomainEvent
from qulab.access.person import Person
from qulab.admin import audit, services
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.cache.read_through import Cache
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.errors import DataLayerError, Stale
from tests.access.people import account, sign_client_in
from tests.admin.conftest import Desk, Page, assessment, store, user

pytestmark = pytest.mark.usefixtures("cache", "cheap_hashes")

NOBODY = "0197f000-0000-7000-8000-000000000000"


def typed(page: Page) -> dict[str, str]:
    """What the form of a page would send, as it stands."""
    form = page.main.partition('class="row-form"')[2].partition("</form>")[0]
    fields = {}
    for tag in findall(r"<input[^>]*>", form):
        name, value = search(r'name="([^"]+)"', tag), search(r'value="([^"]*)"', tag)
        if name and name[1] != "csrfmiddlewaretoken":
            fields[name[1]] = unescape(value[1]) if value else ""
    for name, options in findall(r'<select name="([^"]+)".*?>(.*?)</select>', form.replace("\n", " ")):
        chosen = search(r'value="([^"]*)" selected', options) or search(
            r'value="([^"]*)"', options
        )  # as a browser does
        assert chosen
        fields[name] = unescape(chosen[1])
    return fields


async def save(desk: Desk, page: Page, path: str, **fields: Any) -> Page:
    return await desk.send(path, **{**typed(page), **fields})


async def stored(database: Database, key: str) -> User:
    async with database.reading() as session:
        found = await session.get(User, key)
        assert found is not None
        return found


async def entries(database: Database) -> list[Audit]:
    async with database.reading() as session:
        return list(await session.scalars(select(Audit).order_by(Audit.id)))


async def event_types(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(DomainEvent.event_type).order_by(DomainEvent.seq)))


@pytest.fixture
async def zoe(database: Database) -> User:
    one = user(name="Zoë", email="zoe@example.com", years_experience=8.5)
    await store(database, one)
    return one


class TestCreate:
    async def test_stores_the_row_its_event_and_its_audit(self, desk: Desk, database: Database) -> None:
        page = await desk.get("users/new")
        answer = await save(desk, page, "users/new", name="New One", email="New@Example.com", years_experience="2.5")

        (entry,) = await entries(database)
        one = await stored(database, str(entry.row_id))
        assert answer.status == 302
        assert (one.name, one.email, one.years_experience, one.occupation_code) == (
            "New One", "new@example.com", 2.5, None,
        )  # fmt: skip
        assert (entry.action, entry.via, entry.list_name, entry.rows) == ("create", "operator", "users", 1)
        assert entry.changes == {
            "name": [None, "New One"], "email": [None, "new@example.com"], "years_experience": [None, 2.5],
        }  # fmt: skip
        assert await event_types(database) == ["UserCreated"]
        shown = await desk.get(answer.response["Location"].removeprefix("/admin/"))
        assert "This row is stored." in shown.text

    async def test_a_taken_address_is_told_at_its_field_and_keeps_what_was_typed(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        answer = await desk.send("users/new", name="Another", email="ZOE@example.com")

        assert answer.status == 409
        assert "Another user has this address." in answer.text
        assert 'id="id_email_error"' in answer.html
        assert 'value="Another"' in answer.html
        assert not await entries(database)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("name", ""), ("name", "a\x00b"), ("email", "no"), ("years_experience", "nan"), ("years_experience", "-1"),
         ("years_experience", "1e999"), ("occupation_code", "x"), ("education_level", "x" * 51)],
    )  # fmt: skip
    async def test_what_cannot_be_stored_is_told_at_its_field(
        self, desk: Desk, database: Database, field: str, value: str
    ) -> None:
        answer = await desk.send("users/new", **{"name": "A", "email": "a@example.com", field: value})

        assert answer.status == 422
        assert f'id="id_{field}_error"' in answer.html
        assert not await entries(database)

    async def test_other_fields_than_the_form_has_are_ignored(self, desk: Desk, database: Database) -> None:
        await desk.send("users/new", name="A", email="a@example.com", id="mine", version="9", created_at="2020-01-01")

        (entry,) = await entries(database)
        one = await stored(database, str(entry.row_id))
        assert (one.version, one.created_at.year > 2020) == (1, True)

    @pytest.mark.parametrize("name", ["assessments", "scores", "events"])
    async def test_lists_without_a_form_for_it_make_no_rows(self, desk: Desk, name: str) -> None:
        assert (await desk.get(f"{name}/new")).status == 404


class TestEdit:
    async def test_stores_what_was_changed_with_values_before_and_after(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        page = await desk.get(f"users/{zoe.id}/edit")
        answer = await save(desk, page, f"users/{zoe.id}/edit", name="Zoe", years_experience="9")

        (entry,) = await entries(database)
        one = await stored(database, zoe.id)
        assert (one.name, one.years_experience, one.email, one.version) == ("Zoe", 9.0, "zoe@example.com", 2)
        assert (entry.action, entry.row_id) == ("update", zoe.id)
        assert entry.changes == {"name": ["Zoë", "Zoe"], "years_experience": [8.5, 9.0]}
        assert await event_types(database) == ["UserUpdated"]
        assert answer.response["Location"] == f"/admin/users/{zoe.id}?done=update&entry={entry.id}"

    async def test_the_audit_names_the_person(
        self, desk: Desk, database: Database, async_client: AsyncClient, zoe: User
    ) -> None:
        staff = await account(database, is_staff=True)
        await sign_client_in(async_client, staff)

        await save(desk, await desk.get(f"users/{zoe.id}/edit"), f"users/{zoe.id}/edit", name="Zoe")

        (entry,) = await entries(database)
        assert (entry.actor_id, entry.via) == (staff.person.id, "person")

    async def test_an_empty_field_is_no_value_and_the_same_values_are_no_change(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        answer = await save(desk, await desk.get(path), path)
        assert answer.response["Location"].endswith("?done=same&entry=")
        assert not await entries(database)

        await save(desk, await desk.get(path), path, years_experience="")

        assert (await stored(database, zoe.id)).years_experience is None

    async def test_a_refused_form_keeps_what_was_typed_and_may_be_sent_again(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        refused = await save(desk, await desk.get(path), path, name="Typed", email="no address")
        assert refused.status == 422
        assert not await entries(database)

        answer = await save(desk, refused, path, email="typed@example.com")

        assert answer.status == 302
        assert (await stored(database, zoe.id)).name == "Typed"

    async def test_a_taken_address_is_told_at_its_field(self, desk: Desk, database: Database, zoe: User) -> None:
        await store(database, user(1, email="taken@example.com"))
        path = f"users/{zoe.id}/edit"

        answer = await save(desk, await desk.get(path), path, email="taken@example.com", name="Kept")

        assert answer.status == 409
        assert "Another user has this address." in answer.text
        assert (await stored(database, zoe.id)).name == "Zoë"
        assert not await entries(database)

    async def test_nobody_takes_an_account_of_staff_over_by_its_address(self, desk: Desk, database: Database) -> None:
        colleague = (await account(database, is_staff=True, name="A Colleague")).person
        page = await desk.get(f"users/{colleague.id}/edit")

        refused = await save(desk, page, f"users/{colleague.id}/edit", email="mine@example.com")
        renamed = await save(desk, page, f"users/{colleague.id}/edit", name="Renamed")

        assert refused.status == 422
        assert "Staff change their address themselves" in refused.text
        assert renamed.status == 302
        assert (await stored(database, colleague.id)).email == colleague.email

    async def test_the_cache_forgets_who_was_changed(
        self, desk: Desk, database: Database, cache: Cache, zoe: User
    ) -> None:
        from accounts.cached import CachedUserRepository

        cached = CachedUserRepository(database, cache)
        await cached.get_by_id_cached(zoe.id)
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Zoe")

        found = await cached.get_by_id_cached(zoe.id)
        assert found is not None
        assert found.name == "Zoe"

    async def test_an_assessment_is_mended_and_its_event_tells_of_it(self, desk: Desk, database: Database) -> None:
        one = assessment(user())
        await store(database, one)
        path = f"assessments/{one.id}/edit"

        assert (await save(desk, await desk.get(path), path, status="completed")).status == 302
        assert (await save(desk, await desk.get(path), path, status="lost")).status == 422

        async with database.reading() as session:
            found = await session.get_one(Assessment, one.id)
        assert (found.status, found.version) == ("completed", 2)
        assert await event_types(database) == ["AssessmentUpdated"]

    async def test_a_value_that_is_no_choice_is_not_taken_for_the_first_one(
        self, desk: Desk, database: Database
    ) -> None:
        one = assessment(user(), component="older")
        await store(database, one)
        path = f"assessments/{one.id}/edit"

        answer = await save(desk, await desk.get(path), path, status="completed")

        assert answer.status == 422
        assert 'id="id_component_error"' in answer.html
        async with database.reading() as session:
            assert (await session.get_one(Assessment, one.id)).component == "older"

    async def test_a_score_is_never_edited_and_says_so(self, desk: Desk, database: Database) -> None:
        from tests.admin.conftest import score

        one = score(user())
        await store(database, one)

        page = await desk.get(f"scores/{one.id}")

        assert "A score is calculated from answers, never edited." in page.text
        assert not page.links("Edit")
        assert (await desk.get(f"scores/{one.id}/edit")).status == 404

    @pytest.mark.parametrize("key", ["nobody", "%00", "x" * 400, "%ff"])
    async def test_of_a_row_that_is_not_there_is_a_404(self, desk: Desk, key: str) -> None:
        assert (await desk.get(f"users/{key}/edit")).status == 404
        assert (await desk.send(f"users/{key}/edit", name="A")).status == (404 if key == "%00" else 409)

    async def test_needs_the_proof_of_origin(self, database: Database, streams_client: Redis, zoe: User) -> None:
        strict = AsyncClient(enforce_csrf_checks=True)

        for path in (f"users/{zoe.id}/edit", "users/new"):
            assert (await strict.post(f"/admin/{path}", {"name": "A", "email": "a@example.com"})).status_code == 403
        assert not await entries(database)

    async def test_people_who_are_not_staff_are_refused(
        self, desk: Desk, database: Database, async_client: AsyncClient, settings: Any, zoe: User
    ) -> None:
        settings.LOCAL_OPERATOR = False
        await sign_client_in(async_client, await account(database))

        for path in (f"users/{zoe.id}/edit", "users/new", f"users/delete?id={zoe.id}"):
            assert (await desk.get(path)).status == 403
            assert (await desk.send(path, name="A", email="a@example.com", confirmed="1")).status == 403
        assert (await stored(database, zoe.id)).name == "Zoë"


class TestConflict:
    async def test_shows_the_difference_and_who_made_it_and_stores_nothing(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        mine, theirs = await desk.get(path), await desk.get(path)
        await save(desk, theirs, path, name="Theirs", education_level="PhD")

        answer = await save(desk, mine, path, name="Mine", years_experience="9")

        assert answer.status == 409
        assert "Changed meanwhile" in answer.text
        assert "(UTC) by the operator at this machine, after you opened this form." in answer.text
        assert "The same field was changed twice:" in answer.text
        for line in ("Name both Zoë Theirs Mine", "Years of experience 8.5 8.5 9", "Education – PhD left as it was"):
            assert line in answer.text
        assert "Email zoe" not in answer.text.partition("Differences")[0]
        assert (await stored(database, zoe.id)).name == "Theirs"
        assert len(await entries(database)) == 1

    async def test_a_change_of_ones_own_in_another_window_is_not_laid_upon_others(
        self, desk: Desk, database: Database, async_client: AsyncClient, zoe: User
    ) -> None:
        await sign_client_in(async_client, await account(database, is_staff=True))
        path = f"users/{zoe.id}/edit"
        mine = await desk.get(path)
        await save(desk, await desk.get(path), path, name="Other window")

        answer = await save(desk, mine, path, name="This window")

        assert "(UTC) by yourself, after you opened this form." in answer.text
        assert "someone else" not in answer.text

    async def test_mine_over_the_new_keeps_what_i_did_not_touch(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        mine, theirs = await desk.get(path), await desk.get(path)
        await save(desk, theirs, path, name="Theirs", education_level="PhD")
        conflict = await save(desk, mine, path, name="Mine")

        answer = await save(desk, conflict, path)

        one = await stored(database, zoe.id)
        assert answer.status == 302
        assert (one.name, one.education_level, one.version) == ("Mine", "PhD", 3)
        assert (await entries(database))[-1].changes == {"name": ["Theirs", "Mine"]}

    async def test_a_third_change_in_between_is_shown_again(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        mine = await desk.get(path)
        await save(desk, await desk.get(path), path, name="Second")
        conflict = await save(desk, mine, path, name="Mine")
        await save(desk, await desk.get(path), path, name="Third")

        again = await save(desk, conflict, path)

        assert again.status == 409
        assert "Name both Second Third Mine" in again.text

    async def test_a_change_that_is_not_in_the_audit_has_no_name(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Mine once")
        page = await desk.get(path)
        async with database.writing() as session:
            await update_user(session, user_id=zoe.id, name="By themself")

        answer = await save(desk, page, path, name="Mine again")

        assert answer.status == 409
        assert "the audit does not say by whom" in answer.text

    async def test_sending_the_same_form_twice_is_no_conflict(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        page = await desk.get(path)
        await save(desk, page, path, name="Once")

        assert "done=same" in (await save(desk, page, path, name="Once")).response["Location"]
        assert len(await entries(database)) == 1

    @pytest.mark.parametrize("opened", ["", "forged", "e30:1abc:xyz", "\x00", "é"])
    async def test_a_form_that_began_with_nothing_known_is_shown_again(
        self, desk: Desk, database: Database, zoe: User, opened: str
    ) -> None:
        path = f"users/{zoe.id}/edit"

        answer = await save(desk, await desk.get(path), path, name="Typed", opened=opened)

        assert answer.status == 422
        assert "What this form began with is not known." in answer.text
        assert typed(answer)["name"] == "Typed"
        assert (await stored(database, zoe.id)).name == "Zoë"
        assert (await save(desk, answer, path)).status == 302

    async def test_what_another_row_began_with_is_not_taken(self, desk: Desk, database: Database, zoe: User) -> None:
        other = user(1)
        await store(database, other)
        opened = typed(await desk.get(f"users/{other.id}/edit"))["opened"]
        path = f"users/{zoe.id}/edit"

        assert (await save(desk, await desk.get(path), path, name="A", opened=opened)).status == 422

    async def test_of_two_at_once_exactly_one_wins(self, database: Database, zoe: User) -> None:
        admin = site.get("users")
        person = Person(new_id(), "Staff", "staff@example.com", is_staff=True)

        async def one(name: str) -> str:
            async with database.writing() as session:
                await services.change(session, person, admin, zoe.id, 1, {"name": name})
            return name

        ended = await asyncio.gather(*(one(f"Name {n}") for n in range(4)), return_exceptions=True)

        won = [name for name in ended if isinstance(name, str)]
        assert len(won) == 1
        assert all(isinstance(error, Stale) for error in ended if not isinstance(error, str))
        assert (await stored(database, zoe.id)).name == won[0]
        assert [entry.changes for entry in await entries(database)] == [{"name": ["Zoë", won[0]]}]


class TestDeletedMeanwhile:
    async def test_says_so_and_keeps_what_was_typed(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        page = await desk.get(path)
        confirm = await desk.get(f"users/delete?id={zoe.id}")
        await desk.send("users/delete", **confirm.hidden())

        answer = await save(desk, page, path, name="Typed", education_level="PhD")

        assert answer.status == 409
        assert "This row was deleted by the operator at this machine after you opened the form" in answer.text
        assert "Name Zoë Typed" in answer.text
        anew = await desk.send("users/new", **typed(answer))
        assert anew.status == 302
        assert (await entries(database))[-1].changes["name"] == [None, "Typed"]

    async def test_says_so_of_ones_own_deletion(
        self, desk: Desk, database: Database, async_client: AsyncClient, zoe: User
    ) -> None:
        await sign_client_in(async_client, await account(database, is_staff=True))
        path = f"users/{zoe.id}/edit"
        page = await desk.get(path)
        await desk.send("users/delete", id=zoe.id, confirmed="1")

        answer = await save(desk, page, path, name="Typed")

        assert "This row was deleted by yourself after you opened the form" in answer.text
        assert "someone else" not in answer.text

    async def test_says_so_of_a_refused_form_too(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        page = await desk.get(path)
        await desk.send("users/delete", id=zoe.id, confirmed="1")

        answer = await save(desk, page, path, name="Typed", email="no address")

        assert answer.status == 409
        assert "no address" in answer.text


class TestUndo:
    async def undo(self, desk: Desk, database: Database, key: str) -> tuple[str, Page]:
        entry = (await entries(database))[-1]
        path = f"users/{key}/edit?undo={entry.id}"
        return path, await desk.get(path)

    async def test_puts_back_what_was_there_and_is_itself_audited(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        done = await save(desk, await desk.get(path), path, name="Wrong", years_experience="")
        shown = await desk.get(done.response["Location"].removeprefix("/admin/"))
        (address,) = shown.links("Undo…")

        page = await desk.get(address.removeprefix("/admin/"))
        assert "Name Wrong Zoë" in page.text
        assert typed(page)["name"] == "Zoë"
        answer = await save(desk, page, path)

        one = await stored(database, zoe.id)
        first, second = await entries(database)
        assert answer.status == 302
        assert (one.name, one.years_experience) == ("Zoë", 8.5)
        assert (second.action, second.reason) == ("undo", first.id)
        assert second.changes == {"name": ["Wrong", "Zoë"], "years_experience": [None, 8.5]}

    async def test_says_what_was_changed_again_since(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Wrong")
        async with database.writing() as session:
            await update_user(session, user_id=zoe.id, name="Right")

        _, page = await self.undo(desk, database, zoe.id)

        assert "Name changed again since Right Zoë" in page.text

    async def test_of_what_is_so_again_says_that_there_is_nothing(
        self, desk: Desk, database: Database, zoe: User
    ) -> None:
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Wrong")
        async with database.writing() as session:
            await update_user(session, user_id=zoe.id, name="Zoë")

        _, page = await self.undo(desk, database, zoe.id)

        assert "There is nothing to undo" in page.text

    async def test_of_no_change_of_this_row_is_a_404(self, desk: Desk, database: Database, zoe: User) -> None:
        other = user(1)
        await store(database, other)
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Wrong")
        (entry,) = await entries(database)

        for key, undo in [(other.id, entry.id), (zoe.id, NOBODY), (zoe.id, "x"), (zoe.id, "%00")]:
            assert (await desk.get(f"users/{key}/edit?undo={undo}")).status == 404

    async def test_a_change_meanwhile_is_a_conflict_here_too(self, desk: Desk, database: Database, zoe: User) -> None:
        path = f"users/{zoe.id}/edit"
        await save(desk, await desk.get(path), path, name="Wrong")
        _, page = await self.undo(desk, database, zoe.id)
        async with database.writing() as session:
            await update_user(session, user_id=zoe.id, name="Newer")

        answer = await save(desk, page, path)

        assert answer.status == 409
        assert (await save(desk, answer, path)).status == 302
        assert [one.action for one in await entries(database)] == ["update", "undo"]


class TestBothOrNeither:
    """A change and its audit row are one transaction."""

    async def test_without_its_audit_row_nothing_is_changed(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch, zoe: User
    ) -> None:
        record = audit.record

        def broken(*args: Any, **fields: Any) -> Audit:
            entry = record(*args, **fields)
            entry.list_name = None  # type: ignore[assignment]  # the database refuses the INSERT
            return entry

        monkeypatch.setattr(audit, "record", broken)
        path = f"users/{zoe.id}/edit"
        page = await desk.get(path)

        for address, fields in [
            (path, {**typed(page), "name": "Wrong"}),
            ("users/new", {"name": "A", "email": "a@example.com"}),
            ("users/delete", {"id": zoe.id, "confirmed": "1"}),
        ]:
            with pytest.raises(Exception, match="list_name"):
                await desk.send(address, **fields)

        async with database.reading() as session:
            assert [one.name for one in await session.scalars(select(User))] == ["Zoë"]
        assert not await event_types(database)
        assert not await entries(database)

    async def test_without_its_change_there_is_no_audit_row(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch, zoe: User
    ) -> None:
        from accounts import services as of_accounts

        def broken(*args: Any, **fields: Any) -> None:
            raise DataLayerError("no event")

        monkeypatch.setattr(of_accounts, "_record", broken)
        monkeypatch.setattr(of_accounts, "record_events", broken)
        page = await desk.get(f"users/{zoe.id}/edit")

        with pytest.raises(DataLayerError):
            await save(desk, page, f"users/{zoe.id}/edit", name="Wrong")
        with pytest.raises(DataLayerError):
            await desk.send("users/delete", id=zoe.id, confirmed="1")

        assert (await stored(database, zoe.id)).name == "Zoë"
        assert not await entries(database)
