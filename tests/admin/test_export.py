"""A file has every row that matches, as it is stored, and costs the pool nothing while a slow client reads it."""

import asyncio
import csv
import gc
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.test import AsyncClient
from sqlalchemy import inspect, select

from outbox.models import Status
from qulab.admin import export
from qulab.admin.models import Audit
from qulab.admin.site import site
from qulab.db.engine import Database
from qulab.db.probe import probe
from qulab.lean.handler import LeanHandler
from tests.admin.conftest import NOON, Desk, Page, event, score, store, user, users

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1"]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 3)


async def fetch(client: AsyncClient, path: str) -> tuple[Any, str]:
    """The answer, and the whole file."""
    response = await client.post(f"/admin/{path}")
    assert response.status_code == 200
    parts = [part async for part in response.streaming_content]
    response.close()
    return response, b"".join(parts).decode()


async def lines(client: AsyncClient, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await fetch(client, path))[1], newline="")))


async def objects(client: AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await fetch(client, path))[1])
    return found


async def audit_rows(database: Database) -> list[Audit]:
    async with database.reading() as session:
        return list(await session.scalars(select(Audit).order_by(Audit.id)))


class TestCsv:
    async def test_has_a_line_of_names_and_one_for_each_row(self, desk: Desk, database: Database) -> None:
        one = user(1, occupation_code="15-1252", years_experience=8.5, created_at=NOON)
        await store(database, one)

        response, text = await fetch(desk.client, "users/export.csv")

        head, first, rest = text.split("\r\n")
        assert head == "id,email,name,occupation_code,education_level,years_experience,version,created_at,updated_at"
        assert first.startswith(f"{one.id},user0001@example.com,Person 0001,15-1252,,8.5,1,2026-03-01T12:00:00Z,")
        assert rest == ""
        assert response["Content-Type"] == "text/csv; charset=utf-8"

    @pytest.mark.parametrize("formula", FORMULAS)
    async def test_a_text_that_would_be_calculated_is_marked_as_text(
        self, desk: Desk, database: Database, formula: str
    ) -> None:
        await store(database, user(name=formula))

        assert (await lines(desk.client, "users/export.csv"))[0]["name"] == f"'{formula}"

    async def test_a_number_stays_a_number_below_zero_too(self, desk: Desk, database: Database) -> None:
        owner = user()
        await store(database, owner, score(owner, -0.25))

        assert (await lines(desk.client, "scores/export.csv"))[0]["air_score"] == "-0.25"

    @pytest.mark.parametrize("name", ['quo"ted', "com,ma", "line\nbreak", "Zoë 🐘", "a=1", "'single"])
    async def test_a_text_comes_back_as_it_was(self, desk: Desk, database: Database, name: str) -> None:
        await store(database, user(name=name))

        assert (await lines(desk.client, "users/export.csv"))[0]["name"] == name

    async def test_json_columns_are_json(self, desk: Desk, database: Database) -> None:
        await store(database, event(payload={"θ": [1, "x"], "y": None}))

        assert json.loads((await lines(desk.client, "events/export.csv"))[0]["payload"]) == {"θ": [1, "x"], "y": None}


class TestJson:
    async def test_is_one_document_with_all_values_as_they_are(self, desk: Desk, database: Database) -> None:
        owner = user(1, name='=1+1 "Zoë"\n', created_at=NOON)
        await store(database, owner)
        one = score(owner, 64.125, calculation_metadata={"parts": {"θ": [1, 2]}})
        await store(database, one)

        (person,) = await objects(desk.client, "users/export.json")
        (scored,) = await objects(desk.client, "scores/export.json")

        assert person["name"] == '=1+1 "Zoë"\n'
        assert person["occupation_code"] is None
        assert person["created_at"] == "2026-03-01T12:00:00Z"
        assert (scored["air_score"], scored["calculation_metadata"]) == (64.125, {"parts": {"θ": [1, 2]}})

    async def test_without_rows_it_is_an_empty_array(self, desk: Desk) -> None:
        assert await objects(desk.client, "users/export.json?q=nobody") == []


class TestColumns:
    @pytest.mark.parametrize("name", [admin.name for admin in site])
    def test_are_all_of_the_table_by_their_names_there(self, name: str) -> None:
        names = [name for name, _attribute in export.columns(site.get(name))]

        assert names == [column.name for column in inspect(site.get(name).model).local_table.columns]

    @pytest.mark.parametrize("name", [admin.name for admin in site])
    def test_no_list_has_credentials(self, name: str) -> None:
        names = {name for name, _attribute in export.columns(site.get(name))}

        assert site.get(name).model.__tablename__ != "credentials"
        assert not [one for one in names if "password" in one or "secret" in one or "token" in one]


class TestRows:
    @pytest.mark.parametrize("form", ["csv", "json"])
    async def test_batches_hold_every_row_once_in_the_order_of_the_list(
        self, desk: Desk, database: Database, small_batches: None, form: str
    ) -> None:
        stored = [one.id for one in await users(database, 8, name="Same")]
        read = lines if form == "csv" else objects

        by_time = [row["id"] for row in await read(desk.client, f"users/export.{form}")]
        by_name = [row["id"] for row in await read(desk.client, f"users/export.{form}?sort=name")]

        assert by_time == stored[::-1]
        assert by_name == stored

    async def test_2500_rows_take_three_reads(self, desk: Desk, database: Database) -> None:
        await users(database, 2_500)

        with probe(database.engine) as opened:
            found = await objects(desk.client, "users/export.json")

        reads = [one for one in opened.statements if one.sql.startswith("SELECT")]
        assert len({row["id"] for row in found}) == len(found) == 2_500
        assert len(reads) == 3

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("events/export.json?status=dead", ["c", "b"]),
            ("events/export.json?status=dead&sort=created", ["b", "c"]),
            ("events/export.json?event_type=a", ["a"]),
            ("events/export.json?q=B", ["b"]),
            ("events/export.json?status=discarded", []),
        ],
    )
    async def test_are_those_of_the_filter(
        self, desk: Desk, database: Database, small_batches: None, path: str, expected: list[str]
    ) -> None:
        await store(
            database,
            event(Status.PENDING, event_type="a", created_at=NOON),
            event(Status.DEAD, event_type="b", created_at=NOON),
            event(Status.DEAD, event_type="c", created_at=NOON.replace(hour=13)),
        )

        assert [row["event_type"] for row in await objects(desk.client, path)] == expected

    @pytest.mark.parametrize("sort", ["created", "-created", "name"])
    async def test_what_is_stored_meanwhile_repeats_and_hides_no_older_row(
        self, desk: Desk, database: Database, small_batches: None, sort: str
    ) -> None:
        stored = [one.id for one in await users(database, 8)]
        response = await desk.client.post(f"/admin/users/export.json?sort={sort}")

        text = b""
        async for part in response.streaming_content:
            text += part
            new = len(text)
            await store(database, user(10_000 + new, name=f"Person 000{new % 8} and a half"))

        found = [row["id"] for row in json.loads(text)]
        assert len(found) == len(set(found))
        assert [one for one in found if one in stored] == (stored[::-1] if sort == "-created" else stored)

    async def test_rows_with_large_columns_are_read_a_few_at_a_time(self) -> None:
        assert export.batch_size(site.get("users")) == export.BATCH
        assert export.batch_size(site.get("runs")) == export.LARGE_BATCH < export.BATCH


class TestAsking:
    async def test_an_address_alone_leads_to_the_list_which_has_the_button(
        self, desk: Desk, database: Database
    ) -> None:
        answer = await desk.client.get("/admin/events/export.csv?status=dead&x=1")

        assert (answer.status_code, answer["Location"]) == (302, "/admin/events?status=dead")
        assert await audit_rows(database) == []

    @pytest.mark.parametrize("method", ["put", "delete"])
    async def test_only_a_form_gets_a_file(self, desk: Desk, database: Database, method: str) -> None:
        answer = await getattr(desk.client, method)("/admin/users/export.csv")

        assert answer.status_code == 405
        assert await audit_rows(database) == []

    async def test_a_form_of_another_site_gets_none(self, desk: Desk, database: Database) -> None:
        answer = await AsyncClient(enforce_csrf_checks=True).post("/admin/users/export.csv")

        assert answer.status_code == 403
        assert await audit_rows(database) == []

    @pytest.mark.parametrize("path", ["users/export.xml", "users/export.", "elephants/export.csv"])
    async def test_there_are_two_kinds_of_files(self, desk: Desk, path: str) -> None:
        assert (await desk.client.post(f"/admin/{path}")).status_code in (404, 405)

    async def test_a_filter_that_is_not_understood_is_told_by_the_list(self, desk: Desk, database: Database) -> None:
        answer = await desk.client.post("/admin/events/export.csv?status=lost&x=1")

        assert answer.status_code == 302
        assert answer["Location"] == "/admin/events?status=lost"
        assert (await desk.get("events?status=lost")).status == 422
        assert await audit_rows(database) == []

    async def test_the_list_offers_both_with_its_filter_and_order(self, desk: Desk, database: Database) -> None:
        await store(database, event(Status.DEAD), event())

        page = await desk.get("events?status=dead&sort=created")

        assert 'formaction="/admin/events/export.csv?status=dead&amp;sort=created"' in page.html
        assert 'formaction="/admin/events/export.json?status=dead&amp;sort=created"' in page.html
        assert "All 1 that match" in page.text
        assert "All 2" in (await desk.get("events")).text

    async def test_an_empty_list_offers_none(self, desk: Desk) -> None:
        assert "export." not in (await desk.get("events")).html

    async def test_the_file_is_named_for_the_list_and_the_day(self, desk: Desk, database: Database) -> None:
        response, _text = await fetch(desk.client, "users/export.csv")

        day = (await audit_rows(database))[0].created_at.date().isoformat()
        assert response["Content-Disposition"] == f'attachment; filename="users-{day}.csv"'
        assert "no-store" in response["Cache-Control"]


class TestAudit:
    async def test_says_who_took_what(self, desk: Desk, database: Database) -> None:
        await store(database, event(Status.DEAD), event(Status.DEAD), event())

        await fetch(desk.client, "events/export.csv?status=dead&sort=created")

        (row,) = await audit_rows(database)
        assert (row.action, row.list_name, row.via, row.rows, row.reason) == ("export", "events", "operator", 2, "")
        assert row.filter == {"status": "dead", "sort": "created", "format": "csv"}

    async def test_is_there_before_the_first_byte(self, desk: Desk, database: Database) -> None:
        response = await desk.client.post("/admin/users/export.csv")

        assert len(await audit_rows(database)) == 1
        response.close()


class TestOneAtATime:
    async def test_a_second_file_is_refused_while_the_first_is_written(self, desk: Desk, database: Database) -> None:
        await users(database, 3)
        first = await desk.client.post("/admin/users/export.csv")

        second = Page(await desk.client.post("/admin/users/export.csv"))

        assert second.status == 429
        assert "An export of yours is being written." in second.text
        assert second.response["Retry-After"] == "10"
        assert len(await audit_rows(database)) == 1
        first.close()

    @pytest.mark.parametrize("ends", ["read", "closed", "dropped"])
    async def test_its_place_is_free_however_it_ended(self, desk: Desk, database: Database, ends: str) -> None:
        await users(database, 3)
        first = await desk.client.post("/admin/users/export.csv")
        if ends == "read":
            [part async for part in first.streaming_content]
        elif ends == "closed":
            first.close()
        del first
        gc.collect()  # the test's client ties its answers into knots

        await fetch(desk.client, "users/export.csv")


class TestStreaming:
    """As a server runs it: the whole of Django, with a client at the other end that may be slow, or leave."""

    async def test_no_connection_is_held_while_a_client_reads(
        self, desk: Desk, database: Database, small_batches: None
    ) -> None:
        await users(database, 8)

        held = []
        async for _part in served("/admin/users/export.csv"):
            held.append(database.pool_state().checked_out)

        assert len(held) == 1 + 3
        assert set(held) == {0}

    async def test_a_client_that_leaves_ends_the_reading(
        self, desk: Desk, database: Database, small_batches: None
    ) -> None:
        await users(database, 30)

        with probe(database.engine) as opened:
            reading = served("/admin/users/export.csv")
            await anext(reading)
            await anext(reading)
            await reading.aclose()
        async with asyncio.timeout(5):
            while not (rows := await audit_rows(database)) or rows[0].reason != export.CUT_OFF:
                await asyncio.sleep(0.01)

        assert rows[0].rows < 30
        assert len([one for one in opened.statements if "FROM users" in one.sql]) < 5
        assert database.pool_state().checked_out == 0
        await fetch(desk.client, "users/export.csv")

    async def test_a_failure_leaves_a_file_that_nobody_takes_for_whole(
        self,
        desk: Desk,
        database: Database,
        small_batches: None,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await users(database, 8)
        read, calls = export._read, []

        async def fail_later(statement: Any) -> Any:
            calls.append(statement)
            if len(calls) == 2:
                raise OSError("it went away")
            return await read(statement)

        monkeypatch.setattr(export, "_read", fail_later)

        parts: list[bytes] = []
        with pytest.raises(OSError, match="it went away"):
            await collect(served("/admin/users/export.json"), parts)
        text = b"".join(parts)

        assert text.count(b'"email"') == 3
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        (row,) = await audit_rows(database)
        assert (row.rows, row.reason) == (3, export.CUT_OFF)
        assert "the export of users was cut off after 3 rows: OSError" in caplog.text
        assert "example.com" not in caplog.text


async def collect(body: AsyncIterator[bytes], parts: list[bytes]) -> None:
    async for part in body:
        parts.append(part)


async def served(path: str) -> AsyncIterator[bytes]:
    """The body of an answer, part by part, from a task of its own; closing this is a client that leaves."""
    address, _, query = path.partition("?")
    arrived: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
    left, taken = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            await arrived.put(message["body"])
            await taken.wait()
            taken.clear()

    asked = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": address,
        "raw_path": address.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"cookie", b"csrftoken=" + TOKEN), (b"x-csrftoken", TOKEN)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    task = asyncio.create_task(LeanHandler()(scope, receive, send))
    task.add_done_callback(lambda _task: arrived.put_nowait(None) if arrived.empty() else None)
    try:
        while (part := await arrived.get()) is not None:
            yield part
            taken.set()
        await task
    finally:
        left.set()
        if not task.done():
            await asyncio.wait({task}, timeout=5)


TOKEN = b"a" * 32
