"""What is counted is tested, what is timed is only reported. No database takes part: it would be the same twice.

This cache and redis-py are always compared; a library that is not installed is skipped, whatever else is required.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from qulab.cache import store
from qulab.cache.client import create_redis
from qulab.db.engine import create_database
from qulab.lab.experiments import Bench, Busy, alone, cache_contenders, cache_outages, cache_peers, cache_races
from qulab.lab.experiments.cache_contenders import Contender, snapshot, version_of
from qulab.lab.experiments.cache_entrants import GUARDED, OURS, PEERS, REDIS_PY, Entrant, absent, guarded, plain
from qulab.lab.experiments.cache_peer_rows import rows
from qulab.lab.experiments.cache_peers import PeersParameters, PeersResult, compare_with_peers
from qulab.lab.experiments.cache_races import collateral, stale_sets
from qulab.lab.experiments.cache_ring import Ring, agree, ring
from qulab.lab.experiments.cache_stampedes import READERS
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.experiments.tables import lines
from tests.bench.conftest import Watched
from tests.bench.contest import ALWAYS, LIBRARIES, deprecated, each, reading, unwatched

pytestmark = deprecated

SMALL = PeersParameters(peer_rounds=1, peer_calls=10, forced=20, stampedes=0, outages=False)


@pytest.fixture
async def bench(redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Its database is never opened."""
    async with Bench(create_database(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")) as bench:
        yield bench


class TestContenders:
    @each(*ALWAYS, *LIBRARIES)
    async def test_store_what_they_load_and_hit_and_forget(self, alone_in_the_ring: Ring) -> None:
        await agree(alone_in_the_ring, "1")

    @each(*ALWAYS, *LIBRARIES)
    async def test_leave_no_key_that_they_do_not_name(self, entrant: Entrant, alone_in_the_ring: Ring) -> None:
        contender = alone_in_the_ring.contenders[entrant.name]

        async def load() -> Any:
            held.extend(await alone_in_the_ring.redis.keys())  # locks too
            return snapshot()

        held: list[str] = []
        await contender.get("1", load)
        held.extend(await alone_in_the_ring.redis.keys())

        assert held
        assert set(held) <= set(contender.names("1"))

    async def test_that_differ_are_not_compared(self, url: str, redis: Redis) -> None:
        class Forgetful(cache_contenders.RedisPy):
            async def invalidate(self, _id: str) -> None:
                pass

        one = Forgetful(url)
        with pytest.raises(Disagreement, match=r"forgetful reads the versions \[2, 2, 2\]"):
            await agree(Ring({"forgetful": one}, redis, unwatched()), "1")
        await one.close()

    async def test_a_hit_that_loads_is_told(self, url: str, redis: Redis) -> None:
        class Missing(cache_contenders.RedisPy):
            async def get(self, _id: str, load: cache_contenders.Load) -> Any:
                return await load()

        one = Missing(url)
        with pytest.raises(Disagreement, match="loaded what it had stored"):
            await agree(Ring({"missing": one}, redis, unwatched()), "1")
        await one.close()


class TestStaleSets:
    @each(OURS)
    async def test_this_cache_stores_none(self, alone_in_the_ring: Ring) -> None:
        assert [(one.stale, one.tries) for one in await stale_sets(alone_in_the_ring, 50)] == [(0, 50)]

    @each(REDIS_PY, *PEERS)
    async def test_each_other_stores_every_one(self, alone_in_the_ring: Ring) -> None:
        """So the interleaving is forced with each of them, also where the load runs in a thread."""
        assert [(one.stale, one.tries) for one in await stale_sets(alone_in_the_ring, 50)] == [(5, 5)]

    async def test_this_cache_without_its_lease_would_be_told(
        self, url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "FILL", store.FILL.replace("~= ARGV[1] then return 0", "== '' then return 0"))

        async with ring([OURS], url, redis, unwatched()) as opened:
            found = await stale_sets(opened, 5)

        assert [(one.stale, one.tries) for one in found] == [(5, 5)]


class TestCollateral:
    @each(OURS)
    async def test_one_reader_cancelled_harms_no_other_of_this_cache(
        self, entrant: Entrant, alone_in_the_ring: Ring
    ) -> None:
        found = await collateral(alone_in_the_ring, [entrant])

        assert [(one.failed, one.others, one.loads) for one in found] == [(0, 45, 5)]

    @each(REDIS_PY)
    async def test_readers_that_share_nothing_harm_nobody(self, entrant: Entrant, alone_in_the_ring: Ring) -> None:
        found = await collateral(alone_in_the_ring, [entrant])

        assert [(one.failed, one.loads) for one in found] == [(0, 50)]

    @each(GUARDED[0])
    async def test_readers_that_share_a_task_fail_with_it(self, entrant: Entrant, alone_in_the_ring: Ring) -> None:
        found = await collateral(alone_in_the_ring, [entrant])

        assert [(one.failed, one.others, one.loads) for one in found] == [(45, 45, 5)]

    async def test_a_reader_that_never_ends_has_failed(
        self, url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_races, "PATIENCE", 0.2)
        monkeypatch.setattr(cache_races, "TURNS", 1)

        class Stuck(cache_contenders.RedisPy):
            async def get(self, id_: str, load: cache_contenders.Load) -> Any:
                await load()
                await asyncio.Event().wait()

        one = Stuck(url)
        found = await collateral(Ring({OURS.name: one}, redis, unwatched()), [OURS])
        await one.close()

        assert found[0].failed == 9


class TestRun:
    async def test_compares_all_that_is_installed_and_leaves_nothing(
        self, bench: Bench, redis: Redis, progress: Watched
    ) -> None:
        found = await compare_with_peers(msgspec.structs.replace(SMALL, peers=True), bench, progress)

        assert found is not None
        names = [one.name for one in plain(peers=True)]
        assert names[:2] == ["this cache", "redis-py"]
        for costs in (found.speeds.alone, found.speeds.apart, found.speeds.hot):
            assert [one.name for one in costs] == names
            assert all(one.time.n == 1 and one.time.low > 0 for one in costs)
            assert costs[1].ratio.median == 1
        assert [one.name for one in found.speeds.misses] == names
        assert found.speeds.misses[1].ratio.median == found.speeds.misses[1].beyond_ratio.median == 1
        assert [one.name for one in found.stale_sets] == names
        assert [one.name for one in found.collateral] == [one.name for one in guarded(peers=True)]
        assert found.missing == absent()
        assert progress.reached_its_total, progress.told
        assert await redis.keys() == []
        assert json.loads(msgspec.json.encode(found))["speeds"]["readers"] == READERS

    async def test_without_peers_it_compares_with_redis_py(
        self, bench: Bench, progress: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_peers, "PROCESSES", 2)
        monkeypatch.setattr(cache_outages, "PATIENCE", 0.5)
        asked = msgspec.structs.replace(SMALL, stampedes=1, outages=True)

        found = await compare_with_peers(asked, bench, progress)

        assert found is not None
        assert [one.name for one in found.stampedes] == ["this cache", "redis-py"]
        assert found.outages is not None
        assert progress.reached_its_total, progress.told
        told = "\n".join(line for table in rows(found) for line in lines(table))
        assert all(len(row) == len(table.headings) for table in rows(found) for row in table.rows)
        for words in ("50 at once, one key: redis-py", "1 of 1", "0 of 20", "2 of 2", "0 of 45", "--peers true"):
            assert words in told
        assert "> 500" in told
        assert reading() == []

    async def test_no_rounds_leave_it_out(self, bench: Bench, progress: Watched) -> None:
        assert await compare_with_peers(PeersParameters(peer_rounds=0), bench, progress) is None
        assert progress.told == []

    async def test_is_refused_while_another_run_works(self, bench: Bench, redis: Redis) -> None:
        with alone(), pytest.raises(Busy):
            await compare_with_peers(SMALL, bench)

        assert await redis.keys() == []

    async def test_without_redis_it_fails_before_it_starts_anything(self, bench: Bench, settings: Any) -> None:
        settings.REDIS_SCRATCH_URL = "redis://127.0.0.1:1/4"

        with pytest.raises(RedisError):
            await compare_with_peers(msgspec.structs.replace(SMALL, stampedes=1), bench)

        assert reading() == []


class TestMissing:
    @pytest.fixture
    def nothing_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qulab.lab.experiments.cache_entrants.find_spec", lambda _name: None)

    @pytest.mark.usefixtures("nothing_is_installed")
    async def test_what_is_not_installed_is_left_out_and_told_with_the_command_that_installs_it(
        self, bench: Bench
    ) -> None:
        found = await compare_with_peers(msgspec.structs.replace(SMALL, peers=True), bench)

        assert found is not None
        assert [one.name for one in found.collateral] == ["this cache", "redis-py"]
        assert self.notes(found) == [
            f"{name} is left out: {module} is not installed (pip install -r tests/peers/requirements.txt)."
            for name, module in [
                ("cashews", "cashews"),
                ("aiocache", "aiocache"),
                ("dogpile.cache", "dogpile"),
                ("django-redis", "django_redis"),
            ]
        ]

    async def test_outside_a_checkout_it_says_so(self, bench: Bench, settings: Any, tmp_path: Path) -> None:
        settings.BASE_DIR = tmp_path

        found = await compare_with_peers(msgspec.structs.replace(SMALL, peers=True), bench)

        assert found is not None
        assert [one.name for one in found.stale_sets] == ["this cache", "redis-py"]
        assert self.notes(found) == [
            "All libraries are left out: they are compared in a checkout, where tests/peers is."
        ]

    def notes(self, found: PeersResult) -> list[str]:
        return [note for note in rows(found)[-1].notes if "left out" in note]

    def test_every_contender_is_a_class_of_this_checkout(self) -> None:
        for one in LIBRARIES:
            module, _, name = one.place.partition(":")
            source = Path(django_settings.BASE_DIR, *module.split(".")).with_suffix(".py").read_text()
            assert f"class {name}(" in source, one.name


def test_prefixes_keep_the_contenders_apart(url: str) -> None:
    kinds = [one.kind for one in (*ALWAYS, *LIBRARIES) if one.is_installed]
    names = [name for kind in kinds for name in kind.names("1")]

    assert len(set(names)) == len(names)
    assert all(issubclass(kind, Contender) for kind in kinds)
    assert version_of(snapshot(7)) == version_of(msgspec.to_builtins(snapshot(7))) == 7


async def test_a_scratch_redis_of_another_number_is_used_as_it_is(redis_url: str) -> None:
    """Address, number and all: the libraries are given the same URL."""
    number_2 = f"{redis_url.removesuffix('/0')}/2"
    client = create_redis(number_2, timeout=5.0, text=True)
    for one in (*ALWAYS, *(library for library in LIBRARIES if library.is_installed)):
        contender = one.kind(number_2)
        await contender.get("1", _one)
        assert set(await client.keys()) <= set(contender.names("1")), one.name
        assert await client.keys(), one.name
        await client.flushdb()
        await contender.close()
    await client.aclose()


async def _one() -> Any:
    return snapshot()
