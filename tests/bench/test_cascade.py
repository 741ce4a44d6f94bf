"""What each way sends for the same deletion: counts are asserted, times are not."""

import pytest

from qulab.lab.experiments import Bench, cascade
from qulab.lab.experiments.cascade import BARE, LOADED, PASSIVE, PLAIN, CascadeParameters, CascadeResult, Place


@pytest.fixture
async def result(bench: Bench) -> CascadeResult:
    return await cascade.run(CascadeParameters(scores=128, others=60, repeats=2), bench)


class TestCascade:
    async def test_only_loaded_scores_are_deleted_one_by_one(self, result: CascadeResult) -> None:
        assert [one.scores for one in result.ways[0].deletions] == [2, 8, 32, 128]
        for name, deletes in {LOADED: None, PASSIVE: 1, PLAIN: 1, BARE: 1}.items():
            for one in result.of(name).deletions:
                assert one.deletes == (one.scores + 1 if deletes is None else deletes), name

    async def test_calls_do_not_grow_with_the_scores(self, result: CascadeResult) -> None:
        counts = {
            way.name: {(one.statements, one.executions - one.deletes) for one in way.deletions} for way in result.ways
        }

        # The session looks before it deletes: for the user, and for the scores if it is to know them.
        assert counts == {LOADED: {(4, 2)}, PASSIVE: {(2, 1)}, PLAIN: {(1, 0)}, BARE: {(1, 0)}}

    async def test_every_way_deletes_the_scores_of_that_user_and_no_others(self, result: CascadeResult) -> None:
        for way in result.ways:
            assert [one.deleted for one in way.deletions] == [2, 8, 32, 128]

    async def test_only_the_last_way_has_no_index_to_find_the_scores_by(self, result: CascadeResult) -> None:
        assert {way.name: way.indexed for way in result.ways} == {LOADED: True, PASSIVE: True, PLAIN: True, BARE: False}

    async def test_each_reading_is_a_sample(self, bench: Bench, result: CascadeResult) -> None:
        samples = bench.samples.kept

        assert len(samples) == 4 * 4 * 2
        assert {sample.series for sample in samples} == {way.name for way in result.ways}
        assert {sample.x for sample in samples} == {2, 8, 32, 128}
        assert all(sample.y > 0 for sample in samples)

    async def test_without_the_index_the_database_looks_at_every_row(self, bench: Bench) -> None:
        async with bench.scratch(*cascade.MODELS) as scratch:
            place = Place(scratch)
            await place.seed([4], 2_000)
            with_index = await plan(place)

            await place.drop_indexes()

            assert "ix_air_scores_user" in with_index
            assert "ix_air_scores_user" not in await plan(place)


async def plan(place: Place) -> str:
    """How the database would look for the scores of a user."""
    how = "EXPLAIN QUERY PLAN" if place.database.dialect == "sqlite" else "EXPLAIN"
    await place.database.engine.dispose()  # SQLite's driver keeps compiled what it explained before
    async with place.database.reading() as session:
        connection = await session.connection()
        answer = await connection.exec_driver_sql(f"{how} DELETE FROM air_scores WHERE user_id = '{place.users[4]}'")
        return " ".join(str(row) for row in answer)
