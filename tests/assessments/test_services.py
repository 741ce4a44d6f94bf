import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from accounts.services import create_user
from assessments.cached import LATEST_SCORE, CachedAIRScoreRepository
from assessments.forms import ScoreForm
from assessments.models import AIRScore
from assessments.occupations import UnknownOccupation
from assessments.repositories import AIRScoreRepository
from assessments.scoring import recalculate
from assessments.services import add_sample_scores, calculate_and_store_airscore, lab_row_counts, reset_lab_data
from outbox.models import DomainEvent
from outbox.relay import Relay
from qulab.cache.metrics import Outcome
from qulab.cache.read_through import Cache
from qulab.db.engine import Database
from qulab.db.errors import NotFound
from tests.access.people import account
from tests.assessments.sitters import Taker
from tests.outbox.helpers import published

pytestmark = pytest.mark.usefixtures("cache", "streams_client")


@pytest.fixture
async def user_id(database: Database) -> str:
    async with database.writing() as session:
        return (await create_user(session, email="a@example.com", name="A", occupation_code="15-1252")).id


async def store(database: Database, user_id: str, **changes: object) -> tuple[AIRScore, DomainEvent]:
    arguments = {"occupation_code": "15-1252", "fluency": 1.0, "domain": 0.5, "adaptive": 0.0} | changes
    async with database.writing() as session:
        return await calculate_and_store_airscore(session, user_id=user_id, **arguments)  # type: ignore[arg-type]


class TestCalculateAndStore:
    async def test_stores_the_score_with_its_pending_event(self, database: Database, user_id: str) -> None:
        score, event = await store(database, user_id)

        async with database.reading() as session:
            stored = await AIRScoreRepository(session).one(score.id)
            told = await session.scalar(select(DomainEvent).where(DomainEvent.aggregate_id == score.id))
        assert told is not None
        assert (told.event_type, told.status, told.id) == ("AIRScoreCalculated", "pending", event.id)
        assert told.payload == {
            "user_id": user_id,
            "air_score_id": score.id,
            "occupation_code": "15-1252",
            "air_score_value": stored.air_score,
        }
        assert stored.parameter_version == "2026.1-input"

    async def test_a_stored_score_can_be_calculated_again_from_its_metadata(
        self, database: Database, user_id: str
    ) -> None:
        score, _ = await store(database, user_id)

        async with database.reading() as session:
            stored = await AIRScoreRepository(session).one(score.id)
        again = recalculate(stored.calculation_metadata)
        assert (again.air, again.ci_lower, again.ci_upper) == (stored.air_score, stored.ci_lower, stored.ci_upper)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"occupation_code": "99-9999"}, UnknownOccupation),
            ({"fluency": 4.1}, ValueError),
            ({"fluency": float("nan")}, ValueError),
        ],
    )
    async def test_a_refused_input_stores_neither(
        self, database: Database, user_id: str, changes: dict[str, object], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await store(database, user_id, **changes)

        async with database.reading() as session:
            counts = await lab_row_counts(session)
        assert (counts["air_scores"], counts["domain_events"]) == (0, 1)

    async def test_an_unknown_user_is_not_found(self, database: Database) -> None:
        with pytest.raises(NotFound):
            await store(database, "nobody")

    async def test_when_the_event_cannot_be_stored_the_score_is_not_stored_either(
        self, database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from outbox import events

        monkeypatch.setattr(events, "partition_of", lambda *_: None)  # NOT NULL
        with pytest.raises(Exception, match="partition"):
            await store(database, user_id)

        async with database.reading() as session:
            assert await AIRScoreRepository(session).count() == 0

    async def test_reaches_its_stream(self, database: Database, user_id: str, streams_client: Redis) -> None:
        score, _ = await store(database, user_id)

        await Relay(database, streams_client).drain()

        (envelope,) = await published(streams_client, "events:AIRScore")
        assert envelope.data["air_score_id"] == score.id


class TestLatestScore:
    async def test_is_the_one_stored_last(self, database: Database, user_id: str) -> None:
        await store(database, user_id, fluency=0.0)
        latest, _ = await store(database, user_id, fluency=2.0)

        async with database.reading() as session:
            found = await AIRScoreRepository(session).get_latest_score(user_id)
        assert found is not None
        assert found.id == latest.id

    async def test_a_new_score_is_seen_by_the_next_cached_read(
        self, database: Database, cache: Cache, user_id: str
    ) -> None:
        repository = CachedAIRScoreRepository(database, cache)
        await store(database, user_id)
        await repository.get_latest_score_cached(user_id)
        latest, _ = await store(database, user_id, fluency=2.0)

        lookup = await repository.lookup_latest_score(user_id)

        assert lookup.outcome is Outcome.MISS
        assert lookup.value is not None
        assert lookup.value.id == latest.id
        assert LATEST_SCORE.key(user_id) == f"q3:latest_airscore:{user_id}"

    async def test_a_hit_equals_what_was_stored(self, database: Database, cache: Cache, user_id: str) -> None:
        repository = CachedAIRScoreRepository(database, cache)
        await store(database, user_id)

        missed = await repository.get_latest_score_cached(user_id)
        hit = await repository.get_latest_score_cached(user_id)

        assert missed == hit

    async def test_of_a_test_is_cached_without_what_was_answered(
        self, database: Database, cache: Cache, user_id: str
    ) -> None:
        taker = Taker(database, user_id)
        await taker.finish(await taker.begin())

        found = await CachedAIRScoreRepository(database, cache).get_latest_score_cached(user_id)
        kept = await cache.redis.get(LATEST_SCORE.key(user_id))

        async with database.reading() as session:
            stored = await AIRScoreRepository(session).get_latest_score(user_id)
        assert found is not None
        assert stored is not None
        told = dict(stored.calculation_metadata)
        answers = told.pop("answers")
        assert (found.air_score, found.calculation_metadata) == (stored.air_score, told)
        items = [item for one in answers.values() for item in one["items"]]
        assert items
        assert not [item for item in items if item.encode() in kept]
        assert b'"right"' not in kept


class TestSampleScores:
    async def test_are_three_and_the_same_for_everyone(self, database: Database, user_id: str) -> None:
        async with database.writing() as session:
            first = [score.air_score for score in await add_sample_scores(session, user_id=user_id)]
        async with database.writing() as session:
            second = [score.air_score for score in await add_sample_scores(session, user_id=user_id)]

        assert len(first) == 3
        assert first == second == sorted(first)


class TestReset:
    async def test_leaves_the_two_sample_users_and_their_events(
        self, database: Database, cache: Cache, user_id: str
    ) -> None:
        await store(database, user_id)
        await account(database)
        taker = Taker(database, user_id)
        await taker.step(await taker.begin())
        async with database.reading() as session:
            before = await lab_row_counts(session)

        async with database.writing() as session:
            users = await reset_lab_data(session)

        async with database.reading() as session:
            counts = await lab_row_counts(session)
        assert (before["sittings"], before["assessments"], before["responses"]) == (1, 1, 2)
        assert [user.name for user in users] == ["Alex Smith", "Jane Doe"]
        nothing = dict.fromkeys(["credentials", "sittings", "assessments", "responses", "air_scores", "inbox"], 0)
        assert counts == {"users": 2, "domain_events": 2, **nothing}


class TestScoreForm:
    def test_an_unknown_occupation_is_refused_with_what_is_near(self) -> None:
        form = ScoreForm({"user_id": "x", "occupation_code": "15-125", "fluency": 0, "domain": 0, "adaptive": 0})

        assert not form.is_valid()
        assert "15-1252" in form.errors["occupation_code"][0]

    @pytest.mark.parametrize("value", ["", "much", "4.5", "-9", "nan", "inf"])
    def test_an_ability_outside_its_scale_is_refused(self, value: str) -> None:
        form = ScoreForm({"user_id": "x", "occupation_code": "15-1252", "fluency": value, "domain": 0, "adaptive": 0})

        assert set(form.errors) == {"fluency"}
