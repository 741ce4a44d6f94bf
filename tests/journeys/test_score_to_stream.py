"""A person in the browser, the whole lab behind it, and a stranger's Redis client at the far end."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from redis import Redis

from qulab.local import PostgresServer, RedisServer, start_postgres, start_redis
from qulab.local.redis_server import free_port
from tests.process.running import RunningLab, eventually

PAGES = ["/", "/lab/1", "/lab/2", "/lab/3", "/lab/4", "/lab/5"]
WITHIN = 2.0  # seconds from the click to the stream


class Browser:
    """Follows links and sends forms, without JavaScript."""

    def __init__(self, lab: RunningLab) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{lab.port}", timeout=10, follow_redirects=True)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path)

    def send(self, page: str, action: str, **changes: str) -> httpx.Response:
        """Send the form of `page` that goes to `action`, as it stands there, with `changes`."""
        html = self.get(page).text
        (form,) = [form for form in re.findall(r"<form.*?</form>", html, re.DOTALL) if f'action="{action}' in form]
        fields = dict(re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form))
        for name, options in re.findall(r'<select[^>]*?name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
            chosen = re.findall(r'<option value="([^"]*)" selected', options) or re.findall(r'value="([^"]*)"', options)
            fields[name] = chosen[0]
        return self._client.post(action, data=fields | changes)


class Stage:
    """A lab on servers of the test's own, so that the test can stop one of them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._redis_folder = folder / "redis"
        self.redis_port = free_port()
        self.redis = self.start_redis()
        self.postgres: PostgresServer | None = None
        settings = {"REDIS_URL": self.redis.url}
        if kind == "postgresql":
            self.postgres = start_postgres(folder / "pg", options={"fsync": "off"})
            settings |= {"DATABASE_URL": self.postgres.url, "QULAB_LAB_OWNS_DATABASE": "1"}
        self.lab = RunningLab(folder / "data", free_port(), **settings)
        self.lab.wait_for_address()
        self.lab.readiness(200, within=20)
        self.browser = Browser(self.lab)

    def start_redis(self) -> RedisServer:
        return start_redis(self._redis_folder, port=self.redis_port)

    def stream(self) -> list[Any]:
        with Redis(port=self.redis_port) as client:
            entries: Any = client.xrange("events:AIRScore")
        return list(entries)

    def close(self) -> None:
        self.browser.close()
        self.lab.close()
        self.redis.stop()
        if self.postgres is not None:
            self.postgres.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="qulab-journey-"))
    stage = Stage(folder, request.param)
    yield stage
    stage.close()
    shutil.rmtree(folder, ignore_errors=True)


class TestScoreFromThePage:
    def test_is_in_its_stream_within_two_seconds_and_the_cloudevents_sdk_reads_it(self, stage: Stage) -> None:
        before = len(stage.stream())
        clicked = time.monotonic()

        response = stage.browser.send("/lab/5", "/lab/5/scores", fluency="1.5")

        assert response.status_code == 200, response.text
        assert "?run=" in str(response.url)
        eventually(lambda: len(stage.stream()) == before + 1, within=WITHIN, what=lambda: stage.lab.output)
        assert time.monotonic() - clicked < WITHIN
        _, fields = stage.stream()[-1]
        event = from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, fields[b"event"]))
        assert event.get_type() == "AIRScoreCalculated"
        data: Any = event.get_data()
        assert data["air_score_id"] == event.get_subject()

    def test_is_noted_in_the_consumers_inbox(self, stage: Stage) -> None:
        stage.browser.send("/lab/5", "/lab/5/scores")
        _, fields = stage.stream()[-1]
        event_id = re.search(rb'"id":"([^"]+)"', fields[b"event"])
        assert event_id is not None

        eventually(
            lambda: stage.browser.get(f"/lab/5/events/{event_id[1].decode()}").text.count("qulab") > 0,
            within=5,
            what=lambda: "the event's page names no consumer",
        )

    def test_stays_pending_while_the_publisher_is_stopped(self, stage: Stage) -> None:
        stage.browser.send("/lab/5", "/lab/5/publisher/stop")
        before = len(stage.stream())
        stage.browser.send("/lab/5", "/lab/5/scores")
        time.sleep(1.5)  # longer than a tick: nothing may come, and only time can show that
        assert len(stage.stream()) == before

        stage.browser.send("/lab/5", "/lab/5/publisher/start")

        eventually(lambda: len(stage.stream()) == before + 1, within=WITHIN, what=lambda: stage.lab.output)


class TestRedisStopped:
    def test_pages_answer_events_wait_and_all_are_published_when_it_is_back(self, stage: Stage) -> None:
        for page in PAGES:  # a first visit may prepare a demonstration, and with it write an event
            stage.browser.get(page)
        eventually(
            lambda: "<dt>Pending</dt><dd>0</dd>" in stage.browser.get("/lab/5/tables").text,
            within=5,
            what=lambda: stage.browser.get("/lab/5/tables").text,
        )
        before = len(stage.stream())
        stage.redis.stop()
        for page in PAGES:
            assert stage.browser.get(page).status_code == 200, page
        for _ in range(5):
            assert stage.browser.send("/lab/5", "/lab/5/scores").status_code == 200

        stage.redis = stage.start_redis()

        eventually(
            lambda: len(stage.stream()) == before + 5,
            within=20,
            what=lambda: f"{len(stage.stream()) - before} of 5 events are published; see\n{stage.lab.output}",
        )
        stage.lab.readiness(200, within=20)
