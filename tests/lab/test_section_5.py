import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from assessments.models import AIRScore
from outbox.consumer import Consumer
from outbox.models import DomainEvent
from outbox.relay import Relay
from outbox.services import pause
from qulab.cache.client import create_redis
from qulab.db.engine import Database
from qulab.lab.benches import outbox as bench
from qulab.lab.demo_users import event_demo_user
from qulab.lab.experiments.outbox import OutboxResult
from qulab.lab.measure import Spread
from qulab.lab.models import Run
from tests.lab.conftest import Lab, text_of

ABILITIES = {"fluency": "1.2", "domain": "0.4", "adaptive": "-0.3"}


@pytest.fixture
async def score(database: Database) -> dict[str, str]:
    user = await event_demo_user(database)
    return {"user_id": user.id, "occupation_code": "15-1252", **ABILITIES}


async def counts(database: Database) -> list[int]:
    async with database.reading() as session:
        events = select(func.count(DomainEvent.id)).where(DomainEvent.aggregate_type == "AIRScore")
        return [await session.scalar(one) or 0 for one in (select(func.count(AIRScore.id)), events)]


class TestStoreScore:
    async def test_score_and_pending_event_are_stored_in_one_transaction(
        self, lab: Lab, database: Database, score: dict[str, str]
    ) -> None:
        result = (await lab.run("/lab/5/scores", **score)).result

        async with database.reading() as session:
            stored = await session.get(AIRScore, result.score.id)
            event = await session.get(DomainEvent, result.event_id)
        assert stored is not None
        assert event is not None
        assert (event.event_type, event.status, event.aggregate_id) == ("AIRScoreCalculated", "pending", stored.id)
        assert [one.sql for one in result.statements].count("COMMIT") == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("user_id", "nobody"),
            ("user_id", ""),
            ("user_id", "x" * 37),
            ("occupation_code", "99-9999"),
            ("occupation_code", ""),
            ("fluency", "4.1"),
            ("domain", "-5"),
            ("adaptive", "much"),
            ("adaptive", "nan"),
        ],
    )
    async def test_bad_input_is_told_at_its_field_and_nothing_is_stored(
        self, lab: Lab, database: Database, score: dict[str, str], field: str, value: str
    ) -> None:
        answer = await lab.send("/lab/5/scores", **{**score, field: value})

        assert answer.status_code == 422
        assert f'id="id_{field}_error"' in text_of(answer)
        assert await counts(database) == [0, 0]
        async with database.reading() as session:
            assert await session.scalar(select(func.count(Run.id))) == 0


class TestTables:
    async def test_an_event_moves_from_pending_to_published_to_the_inbox(
        self, lab: Lab, database: Database, streams_client: Redis, score: dict[str, str]
    ) -> None:
        run = await lab.run("/lab/5/scores", **score)
        pending = text_of(await lab.get("/lab/5/tables"))

        await Relay(database, streams_client).drain()
        published = text_of(await lab.get("/lab/5/tables"))
        await Consumer(database, streams_client, "qulab").step()
        event = text_of(await lab.get(f"/lab/5/events/{run.result.event_id}"))

        link = f"/lab/5/events/{run.result.event_id}"
        assert "None published yet." in pending
        assert link in pending
        assert "None pending" in published
        assert link in published
        assert "events:AIRScore" in event
        assert "Handled by qulab" in event

    async def test_a_pass_of_the_relay_is_in_the_activity(
        self, lab: Lab, database: Database, streams_client: Redis, score: dict[str, str]
    ) -> None:
        await lab.run("/lab/5/scores", **score)
        assert "No pass has moved an event yet." in text_of(await lab.get("/lab/5/tables"))

        await Relay(database, streams_client).drain()

        assert "No pass has moved an event yet." not in text_of(await lab.get("/lab/5/tables"))


class TestPublisher:
    async def test_stop_lets_events_wait_and_start_lets_them_go(
        self, lab: Lab, database: Database, streams_client: Redis, score: dict[str, str]
    ) -> None:
        relay = Relay(database, streams_client)

        stopped = await lab.run("/lab/5/publisher/stop")
        run = await lab.run("/lab/5/scores", **score)
        await relay.drain()
        assert await streams_client.xlen("events:AIRScore") == 0
        started = await lab.run("/lab/5/publisher/start")
        await relay.drain()

        assert stopped.result.paused
        assert run.result.paused
        assert not started.result.paused
        assert await streams_client.xlen("events:AIRScore") == 1

    async def test_the_page_offers_what_can_be_done(self, lab: Lab, database: Database) -> None:
        running = text_of(await lab.get("/lab/5"))
        async with database.writing() as session:
            await pause(session)
        stopped = text_of(await lab.get("/lab/5"))

        assert "Stop the publisher</button>" in running
        assert "Start the publisher</button>" in stopped
        assert "Stop the publisher</button>" not in stopped

    async def test_a_publisher_is_called_running_only_while_a_relay_says_that_it_lives(
        self, lab: Lab, database: Database, streams_client: Redis
    ) -> None:
        silent = text_of(await lab.get("/lab/5/tables"))

        await Relay(database, streams_client).run(seconds=0.2)
        heard = text_of(await lab.get("/lab/5/tables"))

        assert "no relay says that it lives" in silent
        assert ">running<" not in silent
        assert ">running<" in heard


class TestSpeed:
    FIELDS = {"events": 60, "per_commit": 20, "repeats": 2}

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> None:
        monkeypatch.setitem(bench.FIXED, "timed", 5)

    async def test_shows_rates_counts_and_latencies_of_a_run_on_scratch_data(
        self, lab: Lab, database: Database
    ) -> None:
        run = await lab.experiment("outbox-speed", **self.FIELDS)

        page = text_of(await lab.get(f"/lab/5?run={run.id}"))
        last = run.result.rounds[-1]
        assert [(one.written, one.published) for one in run.result.rounds] == [(60, 60)] * 2
        assert f"took {last.published} events in {last.batches} batches and sent {last.statements} statements" in page
        assert "EVALSHA" in page
        assert "95 % within" in page
        assert len(run.samples) == 2 * 5
        assert await counts(database) == [0, 0]

    async def test_the_application_sees_none_of_its_events(
        self, lab: Lab, database: Database, streams_client: Redis, redis_url: str
    ) -> None:
        await lab.experiment("outbox-speed", **self.FIELDS)

        async with database.reading() as session:
            assert await session.scalar(select(func.count(DomainEvent.id))) == 0
        assert [key for key in await streams_client.keys() if key.startswith("events:")] == []
        scratch = create_redis(f"{redis_url.removesuffix('/0')}/4", timeout=5.0)
        left = await scratch.keys()
        await scratch.aclose()
        assert left == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [("events", 5001), ("events", 0), ("per_commit", 101), ("repeats", 6), ("repeats", ""), ("events", "many")],
    )
    async def test_out_of_bounds_is_told_at_the_field_and_nothing_runs(
        self, lab: Lab, database: Database, field: str, value: object
    ) -> None:
        answer = await lab.send(
            "/lab/runs/start/outbox-speed", **{**self.FIELDS, field: value}, database=database.dialect
        )

        assert answer.status_code == 422
        assert f'id="id_outbox-speed_{field}_error"' in text_of(answer)
        async with database.reading() as session:
            assert await session.scalar(select(func.count(Run.id))) == 0

    @pytest.mark.parametrize(("median", "key"), [(5.0, "woken"), (19.9, "woken"), (20.0, "quick"), (500.0, "tick")])
    def test_a_prediction_is_judged_by_the_median(self, median: float, key: str) -> None:
        one = Spread(median, median, median, 1)
        result = OutboxResult(one, one, one, one, one, one, one, one, 1, [])

        assert bench.verdict(result) == key
        assert key in dict(bench.WORKBENCH.predictions)

    def test_without_a_timed_event_no_prediction_was_right(self) -> None:
        one = Spread(1.0, 1.0, 1.0, 1)

        assert bench.verdict(OutboxResult(one, one, one, one, one, None, None, None, 1, [])) == ""
