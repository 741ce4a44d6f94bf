"""What happens on the server is on the screen at once, by one stream for each tab, and by none while it is hidden."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, expect

from .person import press
from .sites import Sites

TABS = 20
EVENTS = 20  # of one series
SERIES = 3  # the median of so many in a row
PATIENCE = 90.0  # seconds, in which a busy machine may become quiet
MOST_MS = 500.0

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""

# Sends the form of the page again and again. For each event: from its COMMIT's time to its first slip on the screen.
TIME_EVENTS = """async count => {
  const form = document.querySelector("#store form"), lanes = document.querySelector("[data-lanes]");
  const seen = new Map();
  const look = () => lanes.querySelectorAll(".lane-transactions [data-key]").forEach((slip) => {
    if (seen.has(slip.dataset.key)) return;
    seen.set(slip.dataset.key, Date.now() - Date.parse(slip.querySelector("time").dateTime));
  });
  look();
  const before = new Set(seen.keys());
  const watch = new MutationObserver(() => requestAnimationFrame(look));
  watch.observe(lanes, { childList: true, subtree: true });
  const until = Date.now() + 30000;
  for (let sent = 0; sent < count; sent++) {
    await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
    while (seen.size - before.size <= sent && Date.now() < until) await new Promise((next) => setTimeout(next, 20));
  }
  watch.disconnect();
  return [...seen].filter(([key]) => !before.has(key)).map(([, milliseconds]) => milliseconds);
}"""


class Streams:
    """The event streams of one tab."""

    def __init__(self, page: Page) -> None:
        self.asked: list[Request] = []
        self._over: list[Request] = []
        page.on("request", self._note)
        page.on("requestfailed", lambda request: self._over.append(request))
        page.on("requestfinished", lambda request: self._over.append(request))

    @property
    def open(self) -> list[Request]:
        return [one for one in self.asked if one not in self._over]

    async def until(self, count: int, topics: str = "") -> None:
        async with asyncio.timeout(15):
            while len(self.open) != count or not all(topics in one.url for one in self.open):
                await asyncio.sleep(0.02)

    def _note(self, request: Request) -> None:
        if request.resource_type == "eventsource":
            self.asked.append(request)


@pytest.fixture
def streams(page: Page) -> Streams:
    return Streams(page)


async def watch_the_outbox(page: Page, sites: Sites) -> None:
    await page.goto(f"{sites.lab}/lab/5")
    await page.locator("#events").scroll_into_view_if_needed()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()


class TestOneStream:
    async def test_a_tab_has_one_for_all_that_it_listens_to(self, page: Page, sites: Sites, streams: Streams) -> None:
        await watch_the_outbox(page, sites)
        await streams.until(1, "topics=outbox")

        await press(page, "Run")
        await streams.until(1, "topics=outbox,run.")
        await press(page, "Cancel")

        await streams.until(1, "topics=outbox")

    async def test_a_hidden_tab_has_none_and_asks_again_when_it_is_shown(
        self, page: Page, sites: Sites, streams: Streams
    ) -> None:
        await watch_the_outbox(page, sites)
        await streams.until(1)

        await page.evaluate(HIDE, True)
        await streams.until(0)
        await page.evaluate(HIDE, False)

        await streams.until(1)

    async def test_a_page_that_listens_to_nothing_has_none(self, page: Page, sites: Sites, streams: Streams) -> None:
        await page.goto(f"{sites.lab}/lab/1")
        await page.wait_for_load_state("networkidle")

        assert streams.asked == []


class TestOutbox:
    async def test_an_event_is_on_the_screen_within_half_a_second(self, page: Page, sites: Sites) -> None:
        await watch_the_outbox(page, sites)
        ends: list[float] = []

        until = time.monotonic() + PATIENCE
        while len(ends) < SERIES or (statistics.median(ends[-SERIES:]) > MOST_MS and time.monotonic() < until):
            times: list[float] = await page.evaluate(TIME_EVENTS, EVENTS)
            assert len(times) == EVENTS
            ends.append(statistics.quantiles(times, n=20, method="inclusive")[-1])

        assert statistics.median(ends[-SERIES:]) <= MOST_MS, f"95 % of each series within {ends} ms"

    async def test_depth_and_lag_are_plotted_while_the_publisher_rests(self, page: Page, sites: Sites) -> None:
        await watch_the_outbox(page, sites)
        await page.locator("[data-gauge]").first.scroll_into_view_if_needed()

        await expect(page.locator("[data-gauge] canvas")).to_have_count(2)

    @pytest.mark.parametrize("motion", ["reduce", "no-preference"])
    async def test_slips_slide_for_who_did_not_ask_for_stillness(self, page: Page, sites: Sites, motion: str) -> None:
        await page.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
        await watch_the_outbox(page, sites)
        await page.evaluate(
            """() => { window.slid = 0; const animate = Element.prototype.animate;
               Element.prototype.animate = function (...all) { window.slid++; return animate.apply(this, all); }; }"""
        )

        await page.evaluate(TIME_EVENTS, 2)

        assert bool(await page.evaluate("window.slid")) is (motion != "reduce")


@asynccontextmanager
async def open_streams(origin: str, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Tabs of as many people: one browser has six connections to a server, and shows one tab of each window."""
    place = urlsplit(origin)
    assert place.hostname
    opened = [await asyncio.open_connection(place.hostname, place.port) for _ in range(count)]
    try:
        for _, writer in opened:
            writer.write(b"GET /live?topics=outbox,pool HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


class TestManyTabs:
    async def test_twenty_leave_the_pool_free(self, page: Page, sites: Sites) -> None:
        async with open_streams(sites.lab, TABS) as tabs:
            states = await asyncio.gather(*(_pool(tab) for tab in tabs))
            page_of_another = await page.goto(f"{sites.lab}/lab/3")

            assert page_of_another is not None
            assert page_of_another.ok
            # The feed of the outbox holds one for the moment of a reading, for all tabs together.
            assert max(state["checked_out"] for state in states) <= 2
            assert min(state["available"] for state in states) >= states[0]["most"] - 2


async def _pool(tab: asyncio.StreamReader) -> dict[str, int]:
    """What the tab was first told of the pool, after it heard of the outbox too."""
    pool: dict[str, int] | None = None
    heard = False
    async with asyncio.timeout(15):
        while pool is None or not heard:
            line = (await tab.readline()).decode()
            if line.startswith("data: "):
                message = json.loads(line.removeprefix("data: "))
                heard |= message["topic"] == "outbox"
                pool = message["data"] if message["topic"] == "pool" else pool
    return pool
