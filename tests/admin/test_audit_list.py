"""What was changed by hand can be found by row, by person and by list, and read column by column."""

from typing import Any

import pytest
from django.test import AsyncClient

from qulab.admin.models import Audit
from qulab.db.base import new_id
from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.access.people import signed_in
from tests.admin.conftest import Desk, store, user


def entry(**fields: Any) -> Audit:
    return Audit(**{"via": "operator", "action": "update", "list_name": "users", "row_id": "u1", **fields})


class TestList:
    async def test_says_who_did_what_to_which_row(
        self, desk: Desk, database: Database, async_client: AsyncClient
    ) -> None:
        person = await signed_in(async_client, database, is_staff=True, name="Ada Staff")
        await store(database, entry(via="person", actor_id=person.id, action="discard", reason="no use", rows=7))

        page = await desk.get("audit")

        assert page.links("Ada Staff")[-1] == f"/admin/users/{person.id}"
        for expected in ("person", "discard", "users", "no use", " 7 "):
            assert expected in page.text

    async def test_who_has_no_account_any_more_is_still_an_entry(self, desk: Desk, database: Database) -> None:
        await store(database, entry(via="person", actor_id=new_id()), entry(via="command"))

        page = await desk.get("audit")

        assert len(page.keys("audit")) == 2
        assert "account gone" in page.text
        assert "a command" in page.text

    async def test_an_undo_leads_to_what_it_took_back(self, desk: Desk, database: Database) -> None:
        first = entry(reason="a mistake")
        await store(database, first)
        second = entry(action="undo", reason=first.id)
        await store(database, second)

        for path in ("audit", f"audit/{second.id}"):
            assert (await desk.get(path)).links("undoes an earlier change") == [f"/admin/audit/{first.id}"]
        assert "Undo · Users" in (await desk.get(f"audit/{second.id}")).text

    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ("list_name=users", 2),
            ("list_name=events", 1),
            ("action=export", 1),
            ("row_id=u1", 1),
            ("row_id=u", 0),
            ("list_name=users&action=update", 1),
            ("actor=a1", 1),
            ("q=BECAUSE", 1),
        ],
    )
    async def test_is_filtered(self, desk: Desk, database: Database, params: str, found: int) -> None:
        await store(
            database,
            entry(),
            entry(action="export", row_id=None, reason="because"),
            entry(list_name="events", action="redrive", row_id=None, actor_id="a1", via="person"),
        )

        assert len((await desk.get(f"audit?{params}")).keys("audit")) == found

    @pytest.mark.parametrize("params", ["list_name=elephants", "action=x", "action=%00", "row_id=" + "x" * 37])
    async def test_a_filter_that_names_nothing_is_told(self, desk: Desk, params: str) -> None:
        assert (await desk.get(f"audit?{params}")).status == 422

    async def test_offers_every_action_that_there_is(self, desk: Desk) -> None:
        page = await desk.get("audit")

        for action in ("create", "update", "undo", "export", "delete", "redrive", "replay", "discard"):
            assert f'<option value="{action}">' in page.html


class TestEntry:
    async def test_shows_each_column_before_and_after(self, desk: Desk, database: Database) -> None:
        one = entry(changes={"name": ["Alex", "<b>Alexa</b>"], "years_experience": [None, 8.5], "version": [1, 2]})
        await store(database, one)

        page = await desk.get(f"audit/{one.id}")

        table = page.main.partition('class="changes"')[2].partition("</table>")[0]
        assert "<bdi>Alex</bdi></td><td><bdi>&lt;b&gt;Alexa&lt;/b&gt;</bdi>" in table
        assert "<bdi>–</bdi></td><td><bdi>8.5</bdi>" in table
        assert "An entry was stored with its change, and stays as it is." in page.text

    async def test_leads_to_the_row_while_it_is_there(self, desk: Desk, database: Database) -> None:
        owner = user()
        await store(database, owner)
        there, gone = entry(row_id=owner.id), entry(row_id=new_id(), action="delete")
        await store(database, there, gone)

        with probe(database.engine) as opened:
            page = await desk.get(f"audit/{there.id}")

        assert page.links(owner.id) == [f"/admin/users/{owner.id}"]
        assert opened.count == 2
        assert not (await desk.get(f"audit/{gone.id}")).links(str(gone.row_id))

    async def test_of_many_rows_shows_what_they_were_chosen_by(self, desk: Desk, database: Database) -> None:
        one = entry(action="export", row_id=None, rows=12_345, filter={"status": "dead", "format": "csv"})
        await store(database, one)

        page = await desk.get(f"audit/{one.id}")

        assert '"status": "dead"' in page.text
        assert "12345" in page.text
        assert "What changed" not in page.text

    @pytest.mark.parametrize("path", ["audit/new", "audit/delete", "audit/{id}/edit"])
    async def test_nobody_changes_one(self, desk: Desk, database: Database, path: str) -> None:
        one = entry()
        await store(database, one)
        address = path.format(id=one.id)

        assert (await desk.get(address)).status == 404
        assert (await desk.send(address)).status in (404, 405)
        assert not (await desk.get(f"audit/{one.id}")).links("Edit")


class TestRow:
    async def test_leads_to_its_changes_and_to_no_others(self, desk: Desk, database: Database) -> None:
        owner = user()
        await store(database, owner)
        mine = entry(row_id=owner.id)
        await store(database, mine, entry(row_id=owner.id, list_name="scores"), entry())

        (address,) = (await desk.get(f"users/{owner.id}")).links("Changes of this row")

        assert address == f"/admin/audit?list_name=users&row_id={owner.id}"
        assert (await desk.get(address.removeprefix("/admin/"))).keys("audit") == [mine.id]

    async def test_an_entry_has_no_changes_of_its_own(self, desk: Desk, database: Database) -> None:
        one = entry()
        await store(database, one)

        assert not (await desk.get(f"audit/{one.id}")).links("Changes of this row")


class TestIndex:
    async def test_shows_the_last_five_and_leads_to_all(self, desk: Desk, database: Database) -> None:
        entries = [entry(reason=f"reason {n}") for n in range(7)]
        await store(database, *entries)

        page = await desk.get("")

        assert page.keys("audit") == [one.id for one in entries[:1:-1]]
        assert page.links("All of the audit") == ["/admin/audit"]
        assert "/admin/runs" in page.links("Runs")

    async def test_says_who_one_is(
        self, desk: Desk, database: Database, async_client: AsyncClient, settings: Any
    ) -> None:
        assert "you are the operator at this machine" in (await desk.get("")).text

        settings.LOCAL_OPERATOR = False
        await signed_in(async_client, database, is_staff=True, name="Ada <Staff>")

        assert "you are Ada <Staff>, staff" in (await desk.get("")).text
