"""The development server is the ASGI one: a view that awaits is served, and so is a static file."""

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qulab.local.redis_server import free_port

from .running import PROJECT, START_SECONDS, environment, eventually


@pytest.fixture(scope="module")
def port(scratch: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    with (scratch / "runserver.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=PROJECT, env=environment(scratch), stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(port), within=START_SECONDS, what=(scratch / "runserver.log").read_text)
        yield port
        server.send_signal(signal.SIGINT)
        assert server.wait(5) == 0
    finally:
        server.kill()
        server.wait()


def test_serves_a_view(port: int) -> None:
    assert _get(port, "/healthz") == (200, '{"status": "ok"}')


def test_serves_static_files(port: int) -> None:
    status, body = _get(port, "/static/qulab/css/tokens.css")

    assert status == 200
    assert body == (PROJECT / "qulab/static/qulab/css/tokens.css").read_text()


def test_serves_bundles_of_them(port: int) -> None:
    status, body = _get(port, "/static/qulab/css/qulab.css")

    assert status == 200
    assert body.startswith((PROJECT / "qulab/static/qulab/css/tokens.css").read_text())


def test_says_that_a_port_is_taken(port: int, scratch: Path) -> None:
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--skip-checks", str(port)]
    second = subprocess.run(command, cwd=PROJECT, env=environment(scratch), capture_output=True, text=True, check=False)

    assert second.returncode == 1
    assert second.stderr == (f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Name another port.\n")


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _answers(port: int) -> bool:
    try:
        return _get(port, "/healthz")[0] == 200
    except OSError:
        return False
