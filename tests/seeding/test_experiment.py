import pytest

from accounts.models import User
from qulab.db.engine import Database
from qulab.lab.experiments import Bench
from qulab.lab.experiments.seed import SeedBenchParameters, rows, run
from tests.seeding.test_seeding import count


class TestSeedExperiment:
    @pytest.mark.usefixtures("small_blocks")
    async def test_all_ways_write_the_same_rows_beside_the_applications_own(self, database: Database) -> None:
        told: list[tuple[int, int]] = []
        async with Bench(database) as bench:
            parameters = SeedBenchParameters(users=50, scores_per_user=2, rounds=2)
            result = await run(parameters, bench, lambda done, total: told.append((done, total)))

        assert len({way.rows for way in result.ways}) == 1
        assert result.ways[0].rows > 150
        assert [way.rate.n for way in result.ways] == [2, 2, 2]
        assert result.ratio.low <= result.ratio.median <= result.ratio.high
        assert told == [(0, 2), (1, 2), (2, 2)]
        assert await count(database, User) == 0

    async def test_its_table_names_the_drivers_own_path(self, database: Database) -> None:
        async with Bench(database) as bench:
            table = rows(await run(SeedBenchParameters(users=5, scores_per_user=0, rounds=1), bench))

        driver = "driver: COPY" if database.dialect == "postgresql" else "driver: executemany"
        assert [row[0] for row in table.rows] == ["manage.py seed", driver, "ORM: add_all"]
        assert "of the driver's speed" in table.notes[0]
