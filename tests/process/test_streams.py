"""A server that is told to stop ends its streams itself: it neither waits for them nor cuts them off."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qulab.local import RedisServer
from qulab.local.redis_server import free_port

from .running import PROJECT, START_SECONDS, environment, manage

GRACE = "20"  # seconds that uvicorn would wait for an answer that does not end


class Web:
    """uvicorn as `manage.py lab` starts it, on an SQLite database of its own."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.port = free_port()
        self.log = folder / "web.log"
        self._writers: list[asyncio.StreamWriter] = []
        upgraded = manage(folder / "data", "db", "upgrade", REDIS_URL=redis_url)
        assert upgraded.returncode == 0, upgraded.stderr
        command = [sys.executable, "-m", "uvicorn", "qulab.asgi:application", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--no-access-log", "--timeout-graceful-shutdown", GRACE],
                cwd=PROJECT,
                env=environment(folder / "data", REDIS_URL=redis_url),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def stream(self) -> asyncio.StreamReader:
        """A stream on which the first messages have arrived."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    break
                except OSError:
                    assert self.process.poll() is None, self.log.read_text()
                    await asyncio.sleep(0.1)
            self._writers.append(writer)
            writer.write(b"GET /live?topics=pool,outbox HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'"topic":"pool"')
            await reader.readuntil(b'"topic":"outbox"')
        return reader

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
async def web(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Web]:
    web = Web(tmp_path, redis_server.url)
    yield web
    web.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_open_streams_end_with_the_server(web: Web, number: int) -> None:
    streams = [await web.stream() for _ in range(3)]

    told = time.monotonic()
    web.process.send_signal(number)
    async with asyncio.timeout(float(GRACE) / 2):
        rests = await asyncio.gather(*(stream.read() for stream in streams))
    code = await asyncio.to_thread(web.process.wait, 10)

    assert time.monotonic() - told < float(GRACE) / 2
    assert [rest[-5:] for rest in rests] == 3 * [b"0\r\n\r\n"], "the last chunk says that the answer is whole"
    assert code in {0, -number}
    log = web.log.read_text()
    assert "Traceback" not in log
    assert "Cancel" not in log
