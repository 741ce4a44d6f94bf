from typing import Any

import pytest
from sqlalchemy import func, select

from accounts.models import User
from qulab.lab.experiments import Bench, repository
from qulab.lab.experiments.peers import Disagreement
from qulab.lab.experiments.repository import present, rows, run
from qulab.lab.experiments.repository_questions import MANY, RepositoryParameters, operations, seed
from qulab.lab.experiments.repository_ways import PAGE, USERS, Core, Place, Way
from tests.bench.conftest import Watched

SMALL = RepositoryParameters(rows=120, rounds=1, calls=3)


def unseen(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def ways(bench: Bench) -> list[type[Way]]:
    return present(bench.database.dialect)[0]


class TestRun:
    async def test_compares_each_way_in_each_operation(self, bench: Bench, ways: list[type[Way]]) -> None:
        result = await run(SMALL, bench, Watched())

        names = ["get", "list, 50 newest", "page 1", "page 2", "add_many, 500 rows", "upsert"]
        assert [one.operation for one in result.operations] == names
        for one in result.operations:
            assert [way.way for way in one.ways] == [way.name for way in ways]
            assert all(way.wall.n == 1 and way.wall.low > 0 and way.cpu.low > 0 for way in one.ways)
            assert one.ways[0].cpu_ratio.median == 1
        text = "\n".join(rows(result).notes)
        assert "of the CPU of session.get" in text
        assert "Page 2 takes" in text

    async def test_refuses_to_compare_what_differs(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        async def another(self: Core, _key: str) -> Any:
            return (await self.connection.execute(select(USERS).order_by(USERS.c.id).limit(1))).one()

        monkeypatch.setattr(Core, "get", another)

        with pytest.raises(Disagreement, match=r"get: repository gives .* Core gives"):
            await run(SMALL, bench)


class TestWays:
    async def test_page_by_number_and_page_by_key_are_the_same(self, bench: Bench, ways: list[type[Way]]) -> None:
        async with bench.scratch(User) as scratch:
            keys = await seed(scratch, 3 * PAGE, unseen)
            third = Place(3, keys[PAGE])
            for way in ways:
                async with way.opened(scratch, writing=False) as opened:
                    found = [opened.fields(row)[0] for row in await opened.page(third)]

                assert found == keys[:PAGE][::-1], way.name

    async def test_nothing_is_kept_of_what_they_write(self, bench: Bench, ways: list[type[Way]]) -> None:
        async with bench.scratch(User) as scratch:
            keys = await seed(scratch, PAGE, unseen)
            *_reads, add_many, upsert = operations(SMALL, keys)
            for way in ways:
                async with way.opened(scratch, writing=True) as opened:
                    await add_many.call(opened, add_many.arguments[0])
                    changed = opened.fields(await upsert.call(opened, upsert.arguments[0]))
                    added = len(await opened.newest(2 * MANY)) - PAGE
                async with scratch.reading() as session:
                    kept = await session.scalar(select(func.count()).select_from(User))
                    version = await session.scalar(select(func.max(User.version)))

                assert (added, changed[2]) == (MANY, 2), way.name
                assert (kept, version) == (PAGE, 1), way.name


class TestMissing:
    def test_advanced_alchemy_is_named_with_the_command_that_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repository, "find_spec", lambda _name: None)

        ways, words = present("sqlite")

        assert [way.name for way in ways] == ["repository", "session", "Core", "aiosqlite"]
        assert words.endswith("it is not installed (pip install -r tests/peers/requirements.txt).")

    def test_outside_a_checkout_it_says_so(self, settings: Any, tmp_path: Any) -> None:
        settings.BASE_DIR = tmp_path

        ways, words = present("postgresql")

        assert [way.name for way in ways] == ["repository", "session", "Core", "asyncpg"]
        assert "in a checkout" in words
