"""One browser and one set of sites for all tests of this folder; a context of its own, watched, for each test.

The lab runs on SQLite alone: what a page does with its database is tested on both elsewhere, and what a browser does
with a page does not depend on it. `test_postgres.py` runs one journey on PostgreSQL.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from qulab.local import RedisServer
from qulab.local.redis_server import free_port
from tests.conftest import missing
from tests.process.running import RunningLab

from .sites import NOWHERE, Sites, Web
from .watch import Watch

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
SWITCHES = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 15_000  # the machine may be busy with other tests
WIDE = 1280
HEIGHT = 900

expect.set_options(timeout=PATIENCE_MS)


def find_chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("Chromium", f"none of {', '.join(NAMES)} is on PATH; on Debian: apt-get install chromium")
    return found


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    path = find_chromium()
    # A browser's sandbox refuses to run as root.
    switches = [*SWITCHES, "--no-sandbox"] if os.geteuid() == 0 else SWITCHES
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=switches, headless=True)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """A short path that other users can pass: PostgreSQL puts its socket there, and as root it is another user."""
    folder = Path(mkdtemp(prefix="qulab-browser-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def lab(browser: Browser, folder: Path) -> Iterator[RunningLab]:
    """The whole lab, as a newcomer starts it. After the browser: without one there is nothing to start it for."""
    lab = RunningLab(folder / "lab", free_port())
    try:
        lab.wait_for_address()
        lab.readiness(200, within=30)
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="package")
def sites(lab: RunningLab, folder: Path, redis_server: RedisServer) -> Iterator[Sites]:
    empty = Web(folder / "empty", REDIS_URL=redis_server.url, QULAB_REDIS_EMULATED="1")
    full = Web(folder / "full", REDIS_URL=redis_server.url, QULAB_LAB="staff")
    open_to_all = {"QULAB_LOCAL_OPERATOR": "0", "QULAB_LAB_OWNS_DATABASE": "0"}
    shared = Web(folder / "shared", REDIS_URL=redis_server.url, **open_to_all)
    broken = Web(folder / "broken", REDIS_URL=NOWHERE)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        webs = (empty, full, broken, shared)
        for web in webs:
            stack.callback(web.close)
        empty.migrate()
        for web in (full, broken):
            web.copy(empty)
        full.fill()
        shared.copy(full)
        broken.lose_table("lab_runs")
        list(pool.map(Web.start, webs))
        yield Sites(f"http://127.0.0.1:{lab.port}", *(web.origin for web in webs))


@pytest.fixture
def scripting() -> bool:
    return True


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def context(browser: Browser, watch: Watch, scripting: bool) -> AsyncIterator[BrowserContext]:
    """A browser that knows nothing yet. What `watch` saw is asserted when the test has passed."""
    context = await browser.new_context(
        viewport={"width": WIDE, "height": HEIGHT}, java_script_enabled=scripting, color_scheme="light"
    )
    context.set_default_timeout(PATIENCE_MS)
    await watch.listen(context)
    yield context
    await context.close()
    watch.raise_for_problems()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    return await context.new_page()
