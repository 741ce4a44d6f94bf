"""Servers of the comparison are real processes; the packages of most peers are not needed here."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings

from qulab.lab.experiments import Bench, http, http_agreement
from qulab.lab.experiments.http import HttpParameters, NoPeers, rows, run
from qulab.lab.experiments.http_agreement import agreed_lengths, content
from qulab.lab.experiments.http_peers import OURS, PEERS, Missing, Peer, present
from qulab.lab.experiments.http_servers import (
    SCRIPT,
    Answer,
    Server,
    ServerFailed,
    cpu_seconds,
    free_ports,
    run_script,
    serving,
)
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.experiments.tables import lines
from tests.bench.conftest import Traces, Watched

SMALL = HttpParameters(rounds=1, seconds=0.1, concurrency=2, users=5, pool_size=2, overflow=1)


def servers_running() -> list[int]:
    """Servers and loads that this process, or one that it started, has running now."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any("experiments/http_" in word for word in child.cmdline()):
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qulab.lab.experiments.http_peers.PEERS", (OURS,))


class TestRun:
    async def test_measures_each_server_and_leaves_nothing(
        self, bench: Bench, traces: Traces, progress: Watched
    ) -> None:
        before = await traces.all()

        result = await run(SMALL, bench, progress)

        peers, missing = present(bench.database.dialect)
        assert [address.name for address in result.addresses] == ["no database", "one user"]
        for address in result.addresses:
            assert [one.name for one in address.servers] == [peer.name for peer in peers]
            assert all(one.rate.n == 1 and one.rounds[0].requests >= 2 for one in address.servers)
            assert all(one.p50.median <= one.p99.median for one in address.servers)
            assert address.servers[0].ratio.median == 1
        assert result.missing == missing
        assert {len(row) for row in rows(result).rows} == {len(rows(result).headings)}
        assert "this project" in "\n".join(lines(rows(result)))
        assert progress.reached_its_total
        assert servers_running() == []
        assert await traces.all() == before

    async def test_this_project_and_stock_django_are_always_among_them(self, bench: Bench) -> None:
        peers, _missing = present(bench.database.dialect)

        assert [peer.name for peer in peers[:2]] == ["this project", "stock Django"]

    @pytest.mark.usefixtures("only_ours")
    async def test_ends_its_servers_when_it_is_cancelled(self, bench: Bench, traces: Traces) -> None:
        before, seen = await traces.all(), []

        def progress(done: int, _total: int) -> None:
            if done == 1:  # between two loads
                seen.extend(servers_running())
                task = asyncio.current_task()
                assert task is not None
                task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(run(SMALL, bench, progress))

        assert len(seen) == 1
        assert servers_running() == []
        assert await traces.all() == before

    @pytest.mark.usefixtures("only_ours")
    async def test_ends_load_and_server_when_it_is_cancelled_in_a_round(self, bench: Bench) -> None:
        running = asyncio.ensure_future(run(HttpParameters(seconds=30, users=5), bench))
        await _until(lambda: len(servers_running()) == 2)

        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert servers_running() == []


class TestServing:
    async def test_tells_what_a_server_wrote_that_did_not_start(self, tmp_path: Path) -> None:
        broken = Peer(name="broken", application="tests.peers.nothing:app")

        with pytest.raises(ServerFailed, match=r"(?s)^broken ended with code 3 before it answered.*nothing"):
            async with serving([broken], {}, tmp_path):
                pytest.fail("it cannot have started")

        assert servers_running() == []

    async def test_ends_those_that_did_start_when_another_does_not(self, tmp_path: Path) -> None:
        broken = Peer(name="broken", application="tests.peers.nothing:app")
        environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}

        with pytest.raises(ServerFailed):
            async with serving([OURS, broken], environment, tmp_path):
                pytest.fail("one of them cannot have started")

        assert servers_running() == []

    def test_a_server_ends_when_its_starter_is_gone(self) -> None:
        command = [sys.executable, "-P", str(SCRIPT), f"--port={free_ports(1)[0]}", "qulab.asgi:application"]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        environment = {**os.environ, "PYTHONPATH": str(django_settings.BASE_DIR)}
        with subprocess.Popen(command, stdin=pipe, stdout=null, stderr=null, env=environment) as server:
            assert server.stdin is not None
            server.stdin.close()  # as the system does for one that was killed

            assert server.wait(timeout=20) == 1

    def test_cpu_is_that_of_the_process(self) -> None:
        before = cpu_seconds(os.getpid())
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        after = cpu_seconds(os.getpid())

        assert before is not None
        assert after is not None
        assert 0.05 <= after - before < 2


class TestCtrlC:
    def test_ends_all_within_two_seconds_and_nothing_is_left(self, tmp_path: Path) -> None:
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'qulab.db'}", "TMPDIR": str(tmp_path)}
        command = [sys.executable, "manage.py", "bench", "http", "--users", "5", "--seconds", "30"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=django_settings.BASE_DIR, env=environment, stdout=pipe, stderr=pipe, text=True
        ) as process:
            deadline = time.monotonic() + 60
            while not any("http_load" in " ".join(_command(pid)) for pid in servers_running()):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)

        assert time.monotonic() - began < 4  # two seconds, on a machine that has nothing else to do
        assert (process.returncode, out, err) == (130, "", "Stopped.\n")
        assert list(tmp_path.iterdir()) == []
        assert [pid for pid in psutil.pids() if str(tmp_path) in _environment(pid)] == []


class TestMissing:
    def test_a_peer_without_its_package_is_left_out_and_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        absent = Peer(name="Other", application="other:app", needs={"": ("no_such_package",)})
        on_postgresql = Peer(name="Another", application="other:app", needs={"postgresql": ("no_such_package",)})
        monkeypatch.setattr("qulab.lab.experiments.http_peers.PEERS", (OURS, absent, on_postgresql))

        assert present("sqlite") == ([OURS, on_postgresql], [Missing("Other", ["no_such_package"])])
        peers, missing = present("postgresql")

        assert peers == [OURS]
        assert [one.name for one in missing] == ["Other", "Another"]

    def test_the_terminal_gives_the_command_that_installs_it(self) -> None:
        result = http.HttpResult(SMALL, [], [Missing("FastAPI", ["fastapi"])])

        told = rows(result).notes[-1]

        assert told == ("FastAPI is left out: fastapi is not installed (pip install -r tests/peers/requirements.txt).")

    async def test_outside_a_checkout_it_says_so(self, bench: Bench, settings: Any, tmp_path: Path) -> None:
        settings.BASE_DIR = tmp_path

        with pytest.raises(NoPeers, match="in a checkout"):
            await run(SMALL, bench)

    def test_all_peers_are_files_of_this_checkout(self) -> None:
        for peer in PEERS:
            module = Path(django_settings.BASE_DIR, *peer.application.partition(":")[0].split("."))
            assert module.with_suffix(".py").is_file(), peer.name


class TestAgreement:
    def test_moments_are_compared_and_not_their_notation(self) -> None:
        spellings = ["2026-01-02T03:04:05.678901", "2026-01-02T03:04:05.678Z", "2026-01-02T04:04:05.678901+01:00"]

        assert len({repr(content(json.dumps({"created_at": one}).encode())) for one in spellings}) == 1

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b'{"id":"1","created_at":"2026-01-02T03:04:06Z"}', "says"),
            (b'{"id":"1"}', "says"),
            (b'{"id":"1","created_at":"2026-01-02T03:04:05Z","more":1}', "says"),
        ],
    )
    async def test_another_value_is_told(self, monkeypatch: pytest.MonkeyPatch, body: bytes, why: str) -> None:
        bodies = {"one": b'{"id":"1","created_at":"2026-01-02T03:04:05"}', "two": body}
        servers: Any = [_named(name) for name in bodies]
        monkeypatch.setattr(http_agreement, "ask", _answers({name: Answer(200, one) for name, one in bodies.items()}))

        with pytest.raises(Disagreement, match=f"/users/1: one {why} .*, two {why}"):
            await agreed_lengths(servers, "/users/1")

    async def test_an_answer_other_than_200_is_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(http_agreement, "ask", _answers({"one": Answer(500, b"")}))
        log = tmp_path / "log"
        log.write_text("Traceback\nValueError: broken\n")

        with pytest.raises(ServerFailed, match=r"(?s)one answered 500 to /users/1.*ValueError: broken"):
            await agreed_lengths([_named("one", log)], "/users/1")


class TestLoad:
    async def test_counts_each_answer_and_keeps_its_connections(self) -> None:
        async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody") as (port, served):
            told = json.loads(await run_script(http.LOAD, port, "/plain", 4, 3, 0.2))

        assert told["requests"] == served["requests"] > 3
        assert served["connections"] == 3
        assert 0.2 <= told["seconds"] < 5
        assert 0 < told["p50"] <= told["p99"]

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nbody", "an answer of another kind: 'HTTP/1.1 500 No"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody!", "an answer of another kind: 'HTTP/1.1 200 OK"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody and more", "9 bytes too many"),
            (b"", "the connection was closed"),
        ],
    )
    async def test_fails_at_an_answer_that_is_none(self, answer: bytes, why: str) -> None:
        async with answering(answer) as (port, _served):
            with pytest.raises(ServerFailed, match=why):
                await run_script(http.LOAD, port, "/plain", 4, 1, 0.2)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, dict[str, int]]]:
    """A server that always says the same; with nothing to say it hangs up."""
    served = {"connections": 0, "requests": 0}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served["connections"] += 1
        try:
            while await reader.readuntil(b"\r\n\r\n") and answer:
                served["requests"] += 1
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], served


def _named(name: str, log: Path = Path("none")) -> Server:
    nothing: Any = None
    return Server(name, 0, log, nothing)


def _answers(given: dict[str, Answer]) -> Any:
    async def ask(server: Server, _place: str) -> Answer:
        return given[server.name]

    return ask


async def _until(holds: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def _command(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def _environment(pid: int) -> str:
    try:
        return psutil.Process(pid).environ().get("TMPDIR", "")
    except psutil.Error:
        return ""
