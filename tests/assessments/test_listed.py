"""A list of scores reads what it shows of them, and leaves what they were calculated from where it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from assessments.history import history_of
from assessments.selectors import overview_of, score_of
from qulab.db.engine import Database
from tests.admin.conftest import store, user

from .scored import NOON, listed, of_person, row, snapshot

FIRST, SECOND = of_person(0.1, 0.2, 0.3), of_person(0.4, -0.2, 0.3, occupation="11-9051")


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def stored(database: Database) -> tuple[str, list[str]]:
    """The person, and the ids of two scores, the newest first."""
    owner = user()
    await store(database, owner)
    rows = [
        row(one, user_id=owner.id, created_at=NOON + timedelta(days=day), updated_at=NOON)
        for day, one in enumerate([FIRST, SECOND])
    ]
    await store(database, *rows)
    return owner.id, [one.id for one in reversed(rows)]


class TestListedScores:
    async def test_of_the_overview_come_without_their_metadata(self, database: Database) -> None:
        owner, ids = await stored(database)

        with statements(database) as sent:
            async with database.reading() as session:
                scores = (await overview_of(session, owner)).scores

        newest = listed(SECOND, id=ids[0], created_at=NOON + timedelta(days=1))
        assert scores == [newest, listed(FIRST, id=ids[1])]
        assert any("air_scores" in one for one in sent)
        assert not any("calculation_metadata" in one for one in sent)

    async def test_of_the_history_come_without_their_metadata(self, database: Database) -> None:
        owner, ids = await stored(database)

        with statements(database) as sent:
            async with database.reading() as session:
                past = await history_of(session, snapshot(SECOND, id=ids[0], user_id=owner))

        assert [(one.score.id, one.is_shown) for one in past.scores] == [(ids[1], False), (ids[0], True)]
        assert any("air_scores" in one for one in sent)
        assert not any("calculation_metadata" in one for one in sent)

    async def test_are_not_in_the_way_of_the_whole_score(self, database: Database) -> None:
        owner, ids = await stored(database)

        async with database.reading() as session:
            await overview_of(session, owner)
            whole = await score_of(session, user_id=owner, score_id=ids[0])

        assert whole.calculation_metadata == SECOND.metadata
