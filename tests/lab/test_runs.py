"""Runs of experiments: asked for by a page, measured by the worker's own code, on both databases."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import select, text, update

from qulab.cache import keys
from qulab.cache.client import get_streams
from qulab.db.base import new_id, utcnow
from qulab.db.engine import Database, get_database
from qulab.lab.benches import BENCHES
from qulab.lab.experiments import MOST_SAMPLES, Sample, Samples
from qulab.lab.models import Run, RunStatus
from qulab.lab.runs import places, queue, worker
from qulab.lab.runs.places import Place
from qulab.lab.runs.progress import Progress
from qulab.lab.runs.worker import execute

from .conftest import Lab, text_of

SMALL = {"users": 3, "scores_per_user": 2, "repeats": 1}
START = "/lab/runs/start/queries"


async def ask(lab: Lab, **fields: Any) -> str:
    """The id of a run that waits."""
    answer = await lab.send(START, **{**SMALL, "database": get_database().dialect, **fields})
    assert answer.status_code == 302, text_of(answer)
    return answer["Location"].removeprefix("/lab/runs/").removesuffix("#result")


async def change(database: Database, run_id: str, **values: Any) -> None:
    async with database.writing() as session:
        await session.execute(update(Run).where(Run.id == run_id).values(**values))
        await session.commit()


@asynccontextmanager
async def measured_for_long(monkeypatch: pytest.MonkeyPatch, run_id: str) -> AsyncIterator[asyncio.Task[None]]:
    """A worker whose experiment, once it has begun, ends only when it is cancelled."""
    begun = asyncio.Event()
    bench = BENCHES["queries"]

    async def run(_parameters: Any, its: Any, progress: Any) -> None:
        its.sample("waiting", 1, 2)
        progress(1, 4)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.experiment, "run", run)
    working = asyncio.create_task(execute(run_id))
    await begun.wait()
    yield working
    working.cancel()
    await asyncio.wait([working])


class TestStart:
    async def test_stores_the_run_and_sends_its_id_alone_to_the_worker(self, lab: Lab, sent: list[str]) -> None:
        run_id = await ask(lab, expected="n1")

        run = await lab.saved(run_id)
        assert sent == [run_id]
        assert run.status == RunStatus.QUEUED
        assert run.parameters == {**SMALL, "database": get_database().dialect, "expected": "n1"}

    async def test_refuses_what_is_out_of_bounds_at_its_field_and_stores_nothing(
        self, lab: Lab, sent: list[str], database: Database
    ) -> None:
        answer = await lab.send(START, users=501, scores_per_user="many", repeats="", database="oracle", expected="x")

        assert answer.status_code == 422
        assert text_of(answer).count('class="errorlist"') == 5
        assert not sent

    async def test_of_an_unknown_experiment_is_not_found(self, lab: Lab) -> None:
        assert (await lab.send("/lab/runs/start/nothing")).status_code == 404

    async def test_by_get_leads_to_the_section(self, lab: Lab) -> None:
        answer = await lab.get(START)

        assert (answer.status_code, answer["Location"]) == (302, "/lab/3")

    async def test_a_visitor_has_one_run_under_way_and_is_led_to_it(self, lab: Lab, sent: list[str]) -> None:
        first = await ask(lab)

        answer = await lab.send(START, **SMALL, database=get_database().dialect)

        assert answer.status_code == 409
        assert first in text_of(answer)
        assert sent == [first]

    async def test_of_many_requests_at_once_one_is_stored(self, lab: Lab, sent: list[str]) -> None:
        known = await ask(lab)  # who has no cookie yet is another visitor with each request
        await lab.send(f"/lab/runs/{known}/cancel")
        fields = {**SMALL, "database": get_database().dialect}

        answers = await asyncio.gather(*(lab.send(START, **fields) for _ in range(6)))

        assert sorted(answer.status_code for answer in answers) == [302, 409, 409, 409, 409, 409]
        assert len(sent) == 2

    async def test_another_visitor_has_a_run_of_their_own(self, lab: Lab, sent: list[str]) -> None:
        await ask(lab)

        await ask(Lab(AsyncClient(), get_database()))

        assert len(sent) == 2

    async def test_is_refused_while_the_queue_is_full(self, lab: Lab) -> None:
        for _ in range(queue.MOST_QUEUED):
            await ask(Lab(AsyncClient(), get_database()))

        answer = await lab.send(START, **SMALL, database=get_database().dialect)

        assert answer.status_code == 429
        assert "try again soon" in text_of(answer)

    async def test_a_run_that_cannot_be_sent_has_failed_and_keeps_no_place(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(_run_id: str) -> None:
            raise ConnectionRefusedError

        known = await ask(lab)  # who has no cookie yet is another visitor with each request
        await lab.send(f"/lab/runs/{known}/cancel")
        with monkeypatch.context() as broken:
            broken.setattr(queue, "send", refuse)
            answer = await lab.send(START, **SMALL, database=get_database().dialect)

        assert answer.status_code == 503
        assert await ask(lab)

    async def test_who_leaves_meanwhile_leaves_no_run_behind_that_nobody_was_told_of(
        self, lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sending, may_fail = asyncio.Event(), asyncio.Event()

        async def fail_late(_run_id: str) -> None:
            sending.set()
            await may_fail.wait()
            raise ConnectionRefusedError

        monkeypatch.setattr(queue, "send", fail_late)
        async with database.writing() as session:
            asking = asyncio.create_task(
                queue.ask_for(session, get_streams(), experiment="queries", parameters={}, visitor="left")
            )
            await sending.wait()
            asking.cancel()
            await asyncio.wait([asking])
        may_fail.set()

        async with asyncio.timeout(5):
            while await self._status_of(database, "left") != RunStatus.FAILED:
                await asyncio.sleep(0.01)

    async def _status_of(self, database: Database, visitor: str) -> str | None:
        async with database.reading() as session:
            found: str | None = await session.scalar(select(Run.status).where(Run.visitor == visitor))
            return found

    async def test_a_run_that_was_taken_although_the_answer_was_lost_goes_on(
        self, lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lose_the_answer(run_id: str) -> None:
            await change(database, run_id, status="running", started_at=utcnow())
            raise TimeoutError

        monkeypatch.setattr(queue, "send", lose_the_answer)

        assert (await lab.saved(await ask(lab))).status == RunStatus.RUNNING

    @pytest.mark.parametrize(
        ("values", "why"),
        [
            ({"status": "running", "started_at": utcnow() - 2 * queue.SILENT_AT_MOST}, queue.LOST),
            ({"status": "queued", "created_at": utcnow() - 2 * queue.WAITS_AT_MOST}, queue.NEVER_TAKEN),
        ],
    )
    async def test_a_lost_run_gives_its_place_to_the_next_and_says_why(
        self, lab: Lab, database: Database, values: dict[str, Any], why: str
    ) -> None:
        lost = await ask(lab)
        await change(database, lost, **values)
        assert "This run was lost." in text_of(await lab.get(f"/lab/runs/{lost}"))

        await ask(lab)

        run = await lab.saved(lost)
        assert (run.status, run.error) == (RunStatus.FAILED, why)

    async def test_a_run_that_speaks_is_not_lost_however_long_it_takes(
        self, lab: Lab, database: Database, streams_client: Redis
    ) -> None:
        long = await ask(lab)
        await change(database, long, status="running", started_at=utcnow() - timedelta(hours=1))
        await streams_client.set(keys.run_state(long), msgspec.json.encode(Progress("running")))

        answer = await lab.send(START, **SMALL, database=database.dialect)

        assert answer.status_code == 409

    async def test_without_redis_nobody_knows_whether_a_run_is_lost(
        self, lab: Lab, database: Database, sent: list[str], without_redis: Any
    ) -> None:
        async with database.writing() as session:
            session.add(Run(experiment="queries", visitor="another", status=RunStatus.RUNNING))
            await session.commit()

        answer = await lab.send(START, **SMALL, database=database.dialect)

        assert answer.status_code == 503
        assert not sent


class TestWorker:
    async def test_saves_result_figures_samples_and_where_it_was_measured(self, lab: Lab) -> None:
        run = await lab.experiment("queries", **SMALL)

        assert run.status == RunStatus.DONE
        assert run.result.of("lazy").statements == SMALL["users"] + 1
        assert {sample.series for sample in run.samples} >= {"lazy", "selectinload", "joinedload"}
        assert {"database", "python", "sqlalchemy", "system", "processors", "load", "commit"} <= set(run.environment)
        assert run.started_at is not None
        assert run.finished_at is not None
        assert run.at <= run.started_at <= run.finished_at

    async def test_leaves_a_run_alone_that_waits_no_more(self, lab: Lab) -> None:
        run_id = await ask(lab)
        await lab.send(f"/lab/runs/{run_id}/cancel")

        await execute(run_id)

        assert (await lab.saved(run_id)).status == RunStatus.CANCELLED

    async def test_tells_progress_and_samples_while_it_measures(
        self, lab: Lab, streams_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = await ask(lab)
        async with streams_client.pubsub() as listener:
            await listener.subscribe(keys.live(f"run.{run_id}"))
            async with measured_for_long(monkeypatch, run_id):
                said = await _first_with_samples(listener)

        assert (said.status, said.done, said.total) == ("running", 1, 4)
        assert said.samples == [Sample("waiting", 1, 2)]

    async def test_ends_a_cancelled_run_within_a_second_and_keeps_its_samples(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = await ask(lab)
        async with measured_for_long(monkeypatch, run_id) as working:
            await lab.send(f"/lab/runs/{run_id}/cancel")
            await asyncio.wait_for(working, 1.0)

        run = await lab.saved(run_id)
        assert run.status == RunStatus.CANCELLED
        assert run.samples == [Sample("waiting", 1, 2)]

    async def test_ends_a_run_that_takes_too_long(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker, "LONGEST", 0.2)
        run_id = await ask(lab)
        async with measured_for_long(monkeypatch, run_id) as working:
            await asyncio.wait_for(working, 5)

        run = await lab.saved(run_id)
        assert (run.status, run.error) == (RunStatus.FAILED, worker.TOO_LONG)

    async def test_whose_run_does_not_listen_says_so_and_asks_for_its_own_end(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "LONGEST", 0.1)
        monkeypatch.setattr(worker, "ENDS_WITHIN", 0.2)
        run_id, may_end = await ask(lab), asyncio.Event()

        async def never_listen(*_: Any) -> None:
            while not may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await may_end.wait()

        monkeypatch.setattr(BENCHES["queries"].experiment, "run", never_listen)
        with pytest.raises(worker.StillMeasures):
            await execute(run_id)
        may_end.set()

        assert (await lab.saved(run_id)).error == worker.TOO_LONG

    async def test_calls_a_run_cancelled_whose_experiment_made_another_error_of_it(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id, begun = await ask(lab), asyncio.Event()

        async def make_an_error_of_it(*_: Any) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError from None

        monkeypatch.setattr(BENCHES["queries"].experiment, "run", make_an_error_of_it)
        working = asyncio.create_task(execute(run_id))
        await begun.wait()
        await lab.send(f"/lab/runs/{run_id}/cancel")
        await asyncio.wait_for(working, 5)

        assert (await lab.saved(run_id)).status == RunStatus.CANCELLED

    async def test_that_is_told_to_stop_says_so_in_the_row(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        run_id = await ask(lab)
        async with measured_for_long(monkeypatch, run_id) as working:
            working.cancel()
            await asyncio.wait([working])

        run = await lab.saved(run_id)
        assert (run.status, run.error) == (RunStatus.FAILED, worker.STOPPED)

    async def test_tells_a_failure_by_its_kind_and_not_by_its_words(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*_: Any) -> None:
            raise ValueError("postgresql://owner:secret@host")

        run_id = await ask(lab)
        monkeypatch.setattr(BENCHES["queries"].experiment, "run", fail)
        await execute(run_id)

        run = await lab.saved(run_id)
        assert run.status == RunStatus.FAILED
        assert "ValueError" in str(run.error)
        assert "secret" not in str(run.error)


async def _first_with_samples(listener: Any) -> Progress:
    async with asyncio.timeout(5):
        async for message in listener.listen():
            if message["type"] == "message":
                said = msgspec.json.decode(message["data"], type=Progress)
                if said.samples:
                    return said
    raise AssertionError


class TestCancel:
    async def test_of_another_visitors_run_is_refused(self, lab: Lab) -> None:
        run_id = await ask(lab)

        answer = await Lab(AsyncClient(), get_database()).send(f"/lab/runs/{run_id}/cancel")

        assert answer.status_code == 403
        assert (await lab.saved(run_id)).status == RunStatus.QUEUED

    async def test_changes_nothing_by_get(self, lab: Lab) -> None:
        run_id = await ask(lab)

        answer = await lab.get(f"/lab/runs/{run_id}/cancel")

        assert answer["Location"] == f"/lab/runs/{run_id}#result"
        assert (await lab.saved(run_id)).status == RunStatus.QUEUED

    async def test_without_redis_keeps_the_run_on_the_page_and_says_why(
        self, lab: Lab, database: Database, sent: list[str], without_redis: Any
    ) -> None:
        run_id = await ask(lab)
        await change(database, run_id, status="running", started_at=utcnow())

        answer = await lab.send(f"/lab/runs/{run_id}/cancel")

        assert answer.status_code == 503
        assert "The worker cannot be told" in text_of(answer)
        assert 'id="panel-queries"' in text_of(answer)


class TestPage:
    async def test_of_a_run_under_way_asks_again_without_javascript(self, lab: Lab) -> None:
        run_id = await ask(lab)

        page = text_of(await lab.get(f"/lab/runs/{run_id}"))

        assert 'http-equiv="refresh"' in page
        assert "No worker of the queue" in page  # nobody is heard in this test

    async def test_of_a_run_under_way_says_that_redis_is_away(
        self, lab: Lab, sent: list[str], without_redis: Any
    ) -> None:
        run_id = await ask(lab)

        assert "Redis does not answer, so how far the run is" in text_of(await lab.get(f"/lab/runs/{run_id}"))

    async def test_of_a_run_that_is_done_asks_no_more(self, lab: Lab) -> None:
        run = await lab.experiment("queries", **SMALL)

        assert 'http-equiv="refresh"' not in text_of(await lab.get(f"/lab/runs/{run.id}"))

    async def test_judges_the_prediction_by_what_was_measured(self, lab: Lab) -> None:
        right = await lab.experiment("queries", **SMALL, expected="n1")
        wrong = await lab.experiment("queries", **SMALL, expected="2")

        assert "As you expected:" in text_of(await lab.get(f"/lab/runs/{right.id}"))
        assert "You expected:" in text_of(await lab.get(f"/lab/runs/{wrong.id}"))

    async def test_of_an_older_run_leaves_the_newer_verdict(self, lab: Lab) -> None:
        wrong = await lab.experiment("queries", **SMALL, expected="2")
        right = await lab.experiment("queries", **SMALL, expected="n1")
        await lab.get(f"/lab/runs/{wrong.id}")

        home = text_of(await lab.get("/"))

        assert right.id
        assert "right" in home
        assert ">wrong<" not in home

    async def test_of_a_demonstration_is_its_section(self, lab: Lab) -> None:
        run = await lab.run("/lab/1/users", email="someone@example.com", name="Someone")

        answer = await lab.get(f"/lab/runs/{run.id}")

        assert answer["Location"] == f"/lab/1?run={run.id}#result"

    @pytest.mark.parametrize("run_id", ["nobody", "%00", new_id()])
    async def test_of_no_run_is_not_found(self, lab: Lab, run_id: str) -> None:
        for address in (run_id, f"{run_id}.json", f"{run_id}.csv"):
            assert (await lab.get(f"/lab/runs/{address}")).status_code == 404


class TestExport:
    async def test_json_has_all_that_was_kept(self, lab: Lab) -> None:
        run = await lab.experiment("queries", **SMALL)

        document = json.loads(text_of(await lab.get(f"/lab/runs/{run.id}.json")))

        assert document["result"] == msgspec.to_builtins(run.result)
        assert document["environment"] == run.environment
        assert len(document["samples"]) == len(run.samples)

    async def test_csv_has_a_line_for_each_sample(self, lab: Lab) -> None:
        run = await lab.experiment("queries", **SMALL)

        rows = list(csv.reader(io.StringIO(text_of(await lab.get(f"/lab/runs/{run.id}.csv")))))

        bench = BENCHES["queries"]
        assert rows[0] == ["series", str(bench.x_label), str(bench.y_label)]
        assert [(name, float(x), float(y)) for name, x, y in rows[1:]] == [
            (one.series, one.x, one.y) for one in run.samples
        ]


class TestList:
    async def test_shows_the_newest_first_and_leads_to_older_ones(self, lab: Lab, database: Database) -> None:
        ids = [new_id() for _ in range(35)]
        async with database.writing() as session:
            session.add_all([Run(id=one, experiment="queries", visitor=one) for one in ids])
            await session.commit()

        first = text_of(await lab.get("/lab/runs/"))
        second = text_of(await lab.get(f"/lab/runs/?before={ids[5]}"))

        assert ids[-1] in first
        assert f"before={ids[5]}" in first
        assert ids[4] in second
        assert ids[5] not in second.replace(f"before={ids[5]}", "")

    async def test_of_one_experiment_shows_no_other(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/1/users", email="someone@example.com", name="Someone")

        assert run.id not in text_of(await lab.get("/lab/runs/"))

    @pytest.mark.parametrize("query", ["before=%00", "before=", "kind=nothing", "a=%00&b=" + 300 * "x"])
    async def test_bears_any_query(self, lab: Lab, query: str) -> None:
        assert (await lab.get(f"/lab/runs/?{query}")).status_code == 200


class TestCompare:
    async def test_two_runs_side_by_side(self, lab: Lab) -> None:
        a = await lab.experiment("queries", **SMALL)
        b = await lab.experiment("queries", **{**SMALL, "users": 6})

        page = text_of(await lab.get(f"/lab/compare?a={a.id}&b={b.id}"))

        assert "asked for different things" in page
        assert "1.75" in page  # 7 statements for 4

    async def test_needs_two_that_are_there_done_and_of_one_kind(self, lab: Lab) -> None:
        done = await lab.experiment("queries", **SMALL)
        demonstration = await lab.run("/lab/1/users", email="someone@example.com", name="Someone")
        waits = await ask(lab)

        for other in ("", "%00", waits, demonstration.id):
            assert (await lab.get(f"/lab/compare?a={done.id}&b={other}")).status_code == 422


class TestPlaces:
    async def test_the_other_database_is_measured_and_the_applications_is_left_alone(
        self, lab: Lab, database: Database, postgres_server: Any, settings: Any
    ) -> None:
        other = Place.POSTGRESQL if database.dialect == "sqlite" else Place.SQLITE
        settings.LAB_POSTGRES_URL = postgres_server.url
        run_id = await ask(lab, database=other.value)

        await execute(run_id)

        run = await lab.saved(run_id)
        assert run.status == RunStatus.DONE
        assert run.environment["database"].startswith(other.label)

    async def test_a_server_is_started_once_for_a_process_and_ended_with_it(self, database: Database) -> None:
        if database.dialect == "postgresql":
            assert not places.needs_a_start(Place.POSTGRESQL, database)
            return
        async with places.opened(Place.POSTGRESQL) as first, places.opened(Place.POSTGRESQL) as second:
            assert first.url == second.url
        server = await places._servers.get().started()

        await places._servers.close()

        assert server.process.poll() is not None

    async def test_a_start_whose_run_is_cancelled_serves_the_next_run(self, database: Database) -> None:
        if database.dialect == "postgresql":
            return  # the application's own server is the one
        starting = asyncio.create_task(places._servers.get().started())
        await asyncio.sleep(0)  # it is in its thread
        starting.cancel()
        await asyncio.wait([starting])

        async with places.opened(Place.POSTGRESQL) as beside, beside.reading() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        await places._servers.close()


class TestRetention:
    async def test_ends_for_old_runs_but_for_those_under_way(self, lab: Lab, database: Database) -> None:
        old, kept, waits = new_id(), new_id(), new_id()
        long_ago = utcnow() - timedelta(days=100)
        async with database.writing() as session:
            session.add_all(
                [
                    Run(id=old, experiment="queries", created_at=long_ago),
                    Run(id=kept, experiment="queries"),
                    Run(id=waits, experiment="queries", created_at=long_ago, status=RunStatus.QUEUED),
                ]
            )
            await session.commit()
            deleted = await queue.prune(session, before=utcnow() - timedelta(days=90))

        async with database.reading() as session:
            left = set(await session.scalars(select(Run.id)))
        assert (deleted, left) == (1, {kept, waits})


class TestSamples:
    def test_beyond_the_most_every_second_is_dropped_over_the_whole_run(self) -> None:
        samples = Samples()
        for number in range(3 * MOST_SAMPLES):
            samples.add(Sample("one", number, 0))

        assert len(samples.kept) <= MOST_SAMPLES
        gaps = {int(b.x - a.x) for a, b in zip(samples.kept, samples.kept[1:], strict=False)}
        assert len(gaps) == 1
        assert len(samples.take()) == 3 * MOST_SAMPLES
        assert samples.take() == []
