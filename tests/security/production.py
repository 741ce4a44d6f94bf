"""A server as it stands in the open: a name beyond loopback, a key of its own, and a proxy that ends TLS."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.process.running import PROJECT, eventually

HOST = "qulab.example.com"
KEY = "a-key-for-tests-that-nobody-uses-elsewhere-0123456789-abcdefgh"
PRODUCTION = {"DJANGO_ALLOWED_HOSTS": HOST, "DJANGO_SECRET_KEY": KEY, "QULAB_EMAIL_HOST": "mail.example.com"}
OVER_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.cookies = response.headers.get_all("Set-Cookie") or []
        self.body = response.read()


class Server:
    """uvicorn with its own log, as README says to start it; everything it writes is in `output`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = folder / "web.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "qulab.asgi:application", "--port", str(self.port)],
                cwd=PROJECT,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **PRODUCTION, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._is_up, within=30, what=lambda: self.output)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] = OVER_TLS
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Host": HOST, **headers})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        return "startup complete" in self.output or self._process.poll() is not None
