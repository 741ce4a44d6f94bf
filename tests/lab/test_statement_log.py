"""The log at the foot of a page holds what its request sent: no more than the driver saw, and no less."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.test import RequestFactory
from sqlalchemy import create_engine, event, text
from sqlalchemy.util import await_only

from qulab.db.engine import Database
from qulab.db.probe import CONTROL, Probe, Statement, probe
from qulab.lab.statements.log import MOST_ROWS, log_of
from qulab.lab.statements.middleware import StatementLogMiddleware
from qulab.local import PostgresServer
from qulab.local.postgres import LOG
from tests.lab.conftest import Lab, text_of

SECTIONS = ["/", "/lab/1", "/lab/2", "/lab/3", "/lab/4", "/lab/5"]
SUMMARY = re.compile(r"(\d+) statements?, [\d.]+ ms, (\d+) repeated(?:, .*?(\d+) failed)?")


def log_in(page: HttpResponse) -> str:
    found = re.search(r'<details class="more log".*</details>\n</main>', text_of(page), re.DOTALL)
    assert found, text_of(page)
    return found.group()


def words_of(html: str) -> str:
    return unescape(re.sub(r"<.*?>", "", html))


def counted(page: HttpResponse) -> tuple[int, int]:
    """Statements, and how many of them were repeats, as the summary of the log says."""
    found = SUMMARY.search(log_in(page))
    assert found
    return int(found[1]), int(found[2])


EXECUTED = re.compile(r"LOG:  (?:execute [^:]+|statement): (\w.*)")


class Trace:
    """What the database itself says it was told to run, but for what controls transactions."""

    def __init__(self, database: Database, server_log: Path) -> None:
        self._database = database
        self._log = server_log
        self._from = 0
        self._seen: list[str] = []

    def __enter__(self) -> "Trace":
        event.listen(self._database.engine.sync_engine, "checkout", self._watch)
        self._from = self._log.stat().st_size
        return self

    def __exit__(self, *_raised: object) -> None:
        event.remove(self._database.engine.sync_engine, "checkout", self._watch)

    def statements(self) -> list[str]:
        with self._log.open() as log:
            log.seek(self._from)
            seen = self._seen if self._database.dialect == "sqlite" else EXECUTED.findall(log.read())
        return [sql for sql in seen if sql.partition(" ")[0].strip(";").upper() not in CONTROL]

    def _watch(self, _connection: Any, record: Any, _proxy: Any) -> None:
        driver = record.driver_connection
        if self._database.dialect == "sqlite":
            await_only(driver.set_trace_callback(self._seen.append))
        else:
            await_only(driver.execute("SET log_statement = 'all'"))


class TestWhatItCounts:
    @pytest.mark.parametrize("path", SECTIONS)
    async def test_is_what_the_database_was_told_to_run(
        self, lab: Lab, database: Database, path: str, postgres_server: PostgresServer
    ) -> None:
        await lab.get(path)  # prepares demo users, and opens the connections

        with Trace(database, postgres_server.folder / LOG) as trace:
            page = await lab.get(path)

        assert counted(page)[0] == len(trace.statements()), trace.statements()
        assert trace.statements() or path == "/lab/2"

    @pytest.mark.parametrize("path", ["/lab/4", "/lab/5"])
    async def test_holds_what_was_sent_to_prepare_the_page(self, lab: Lab, path: str) -> None:
        page = await lab.get(path)  # the first time: its user is made

        assert "INSERT INTO users" in words_of(log_in(page))

    async def test_are_the_statements_that_another_task_sent_for_the_page(self, lab: Lab, database: Database) -> None:
        page = await lab.get("/")

        assert counted(page) == (1, 0)
        assert "qulab/health.py:" in log_in(page)

    async def test_adds_no_statement(self, lab: Lab, database: Database) -> None:
        await lab.get("/lab/5")
        with probe(database.engine) as opened:
            page = await lab.get("/lab/5")

        assert counted(page)[0] == opened.count

    async def test_is_of_the_page_alone_after_a_form(self, lab: Lab) -> None:
        answer = await lab.send("/lab/1/users", email="ann@example.com", name="Ann")

        page = await lab.get(answer["Location"])

        assert "INSERT INTO users" not in words_of(log_in(page))

    async def test_of_a_refused_form_has_what_refusing_took(self, lab: Lab) -> None:
        await lab.send("/lab/1/users", email="ann@example.com", name="Ann")

        page = await lab.send("/lab/1/users", email="ann@example.com", name="Ann")

        log = words_of(log_in(page))
        assert page.status_code == 422
        assert "INSERT INTO users" in log
        assert "1 failed" in log

    async def test_names_the_line_that_sent_each_and_leads_to_it(self, lab: Lab) -> None:
        log = log_in(await lab.get("/lab/1"))

        addresses = re.findall(r'<small class="line"><a href="(/lab/source/[\w/.]+)#L(\d+)">', log)
        assert len(addresses) >= 2
        for path, number in addresses:
            assert f'id="L{number}"' in text_of(await lab.get(path))


async def sent(database: Database, *texts: str) -> Probe:
    with probe(database.engine) as opened:
        async with database.reading() as session:
            for one in texts:
                await session.execute(text(one))
    return opened


class TestRows:
    async def test_join_what_was_sent_again_with_each_time_it_was(self, database: Database) -> None:
        opened = await sent(database, "SELECT 1", "SELECT 2", "SELECT 1", "SELECT 1")

        log = log_of(opened, database.dialect, until=1000.0)

        assert [(row.number, row.sql, row.times, row.repeated) for row in log.rows] == [
            (1, "SELECT 1", 3, True),
            (2, "SELECT 2", 1, False),
        ]
        assert (log.count, log.repeated, log.more) == (4, 2, 0)
        assert [len(row.spans) for row in log.rows] == [3, 1]

    async def test_list_what_ends_a_transaction_and_do_not_count_it(self, database: Database) -> None:
        with probe(database.engine) as opened:
            async with database.writing() as session:
                await session.execute(text("SELECT 1"))
                await session.commit()

        log = log_of(opened, database.dialect, until=1000.0)

        (commit,) = [row for row in log.rows if row.sql == "COMMIT"]
        assert (commit.number, commit.token, log.count, log.repeated) == (None, "", 1, 0)

    def test_beyond_the_most_are_told_and_not_listed(self) -> None:
        opened = Probe(create_engine("sqlite://"))
        for number in range(MOST_ROWS + 7):
            opened.record(f"SELECT {number}", opened.began, opened.began, None, failed=False)

        log = log_of(opened, "sqlite", until=1.0)

        assert (len(log.rows), log.more) == (MOST_ROWS, 7)

    def test_lie_within_the_request(self) -> None:
        opened = Probe(create_engine("sqlite://"))
        opened.statements.append(Statement("SELECT 1", 9.999, 0.002))
        opened.statements.append(Statement("SELECT 2", 2.5, 5.0))

        late, middle = (row.spans[0] for row in log_of(opened, "sqlite", until=10.0).rows)

        assert late.x + late.width == pytest.approx(100, abs=0.02)
        assert (middle.x, middle.width) == (25, 50)


async def answered(response: Any, view_of: str = "qulab.lab.views.models") -> Any:
    """The response as the middleware passes it on, for a view of that module."""

    async def view(request: Any) -> Any:
        await middleware.process_view(request, view, (), {})
        return response

    view.__module__ = view_of
    middleware = StatementLogMiddleware(view)
    return await middleware(RequestFactory().get("/"))


PAGE = b"<!doctype html><main>page</main>"


class TestWhatIsLeftAsItIs:
    async def test_a_whole_page_of_the_lab_is_not(self) -> None:
        page = (await answered(HttpResponse(PAGE))).content

        assert page.startswith(b"<!doctype html><main>page<details")
        assert page.endswith(b"</details>\n</main>")

    @pytest.mark.parametrize(
        "response",
        [
            HttpResponse(b"<p>part</p></main>"),
            HttpResponse(b"<!doctype html><p>without a foot"),
            HttpResponse(PAGE, headers={"ETag": '"1"'}),
            HttpResponse(b"{}", content_type="application/json"),
            HttpResponseRedirect("/lab/1"),
        ],
        ids=["part", "footless", "etag", "json", "redirect"],
    )
    async def test_no_other_answer_is_touched(self, response: HttpResponse) -> None:
        before = response.content

        assert (await answered(response)).content == before

    async def test_a_stream_is_not_read(self) -> None:
        response = StreamingHttpResponse(iter([PAGE]))

        assert await answered(response) is response
        assert not response.has_header("Content-Length")

    async def test_pages_of_others_have_none(self) -> None:
        assert (await answered(HttpResponse(PAGE), view_of="qulab.admin.views")).content == PAGE

    async def test_the_admin_has_none(self, lab: Lab) -> None:
        assert b"</main>" in (await lab.get("/admin/")).content
        assert b'id="statements"' not in (await lab.get("/admin/")).content

    async def test_a_part_that_renews_itself_has_none(self, lab: Lab) -> None:
        assert b'id="statements"' not in (await lab.get("/lab/5/tables")).content
