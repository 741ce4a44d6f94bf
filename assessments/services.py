"""A score and the event that tells of it are stored in one transaction: both, or neither."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, text

from accounts.models import Credentials, User
from accounts.repositories import UserRepository
from accounts.services import add_sample_users, forget_cached_users
from assessments.estimation import Ability
from assessments.models import AIRScore, Assessment, Response, Sitting
from assessments.occupations import find
from assessments.repositories import AIRScoreRepository, AssessmentRepository, SittingRepository
from assessments.scoring import Score
from assessments.scoring import score as calculate_score
from outbox.events import record_event, record_events
from outbox.models import DomainEvent, InboxEntry
from qulab.db.errors import DataLayerError, Stale
from qulab.db.retry import retried
from qulab.db.session import Session

INPUT_SD = 0.5  # of a given ability: the precision at which the adaptive test stops
LOWEST_ABILITY, HIGHEST_ABILITY = -4.0, 4.0
MENDABLE = frozenset({"component", "status"})  # of an assessment that no sitting belongs to; the rest is measured
SAMPLE_ABILITIES = ((-0.5, 0.0, 0.2), (0.3, 0.4, 0.1), (1.0, 0.8, 0.6))
SAMPLE_OCCUPATION = "15-1252"


@retried
async def calculate_and_store_airscore(
    session: Session,
    *,
    user_id: str,
    occupation_code: str,
    fluency: float = 0.0,
    domain: float = 0.0,
    adaptive: float = 0.0,
) -> tuple[AIRScore, DomainEvent]:
    """Calculate a score from three abilities (θ) and store it with its event.

    Raises NotFound for the user, UnknownOccupation for the code, ValueError for an ability outside [-4, 4].
    """
    await UserRepository(session).one(user_id)
    occupation, calculated = find(occupation_code), _calculate(occupation_code, (fluency, domain, adaptive))
    stored = await add_score(session, user_id=user_id, occupation_code=occupation.code, score=calculated)
    await session.commit()
    return stored


@retried
async def add_sample_scores(session: Session, *, user_id: str) -> list[AIRScore]:
    """Three scores of growing ability, each with its event, in one transaction. Raises NotFound."""
    user = await UserRepository(session).one(user_id)
    code = user.occupation_code or SAMPLE_OCCUPATION
    samples = [_calculate(code, abilities) for abilities in SAMPLE_ABILITIES]
    scores = [(await add_score(session, user_id=user_id, occupation_code=code, score=sample))[0] for sample in samples]
    await session.commit()
    return scores


async def add_score(
    session: Session, *, user_id: str, occupation_code: str, score: Score, sitting_id: str | None = None
) -> tuple[AIRScore, DomainEvent]:
    """Add a score and its event without a commit. Raises Conflict where the sitting has a score."""
    air_score = AIRScore(
        user_id=user_id,
        sitting_id=sitting_id,
        occupation_code=occupation_code,
        air_score=score.air,
        vr_score=score.vr,
        hr_score=score.hr,
        synergy_score=score.synergy,
        ci_lower=score.ci_lower,
        ci_upper=score.ci_upper,
        parameter_version=score.metadata["parameter_version"],
        calculation_metadata=score.metadata,
    )
    await AIRScoreRepository(session).create(air_score)
    event = record_event(
        session,
        event_type="AIRScoreCalculated",
        aggregate_type="AIRScore",
        aggregate_id=air_score.id,
        payload={
            "user_id": user_id,
            "air_score_id": air_score.id,
            "occupation_code": air_score.occupation_code,
            "air_score_value": air_score.air_score,
        },
    )
    forget_cached_users(session, user_id)
    return air_score, event


def _calculate(occupation_code: str, abilities: tuple[float, float, float]) -> Score:
    if not all(LOWEST_ABILITY <= theta <= HIGHEST_ABILITY for theta in abilities):
        raise ValueError(f"abilities lie between {LOWEST_ABILITY:g} and {HIGHEST_ABILITY:g}; got {abilities}")
    fluency, domain, adaptive = (Ability(theta, INPUT_SD) for theta in abilities)
    given = {"fluency": fluency, "domain": domain, "adaptive": adaptive}
    return calculate_score(given, find(occupation_code).hr_score)


async def abandon_sittings(session: Session, *where: ColumnElement[bool]) -> int:
    """End all these sittings that are in progress, an event for each assessment that was, without a commit.

    Returns how many sittings ended.
    """
    ended = await SittingRepository(session).abandon(*where)
    if ended:
        payloads = await AssessmentRepository(session).abandon(Assessment.sitting_id.in_(ended))
        await _tell_of_all(session, "AssessmentAbandoned", payloads)
    return len(ended)


class Measured(DataLayerError):
    """This assessment is part of a test that somebody took: what was measured is not changed by hand. Delete it."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


async def change_assessment(session: Session, /, *, assessment_id: str, version: int, **changes: Any) -> Assessment:
    """Mend an assessment that is still as the person saw it, with its event, without a commit.

    Raises NotFound, Stale, Measured, and ValueError for what is measured and no matter of opinion.
    """
    if unknown := changes.keys() - MENDABLE:
        raise ValueError(f"not fields of an assessment that can be changed: {', '.join(sorted(unknown))}")
    repository = AssessmentRepository(session)
    assessment = await repository.one(assessment_id, fresh=True)
    if assessment.sitting_id is not None:
        raise Measured
    if version != assessment.version:
        raise Stale
    for field, value in changes.items():
        setattr(assessment, field, value)
    await repository.add(assessment)
    payload = {"user_id": assessment.user_id, "assessment_id": assessment_id, "fields": sorted(changes)}
    record_event(
        session,
        event_type="AssessmentUpdated",
        aggregate_type="Assessment",
        aggregate_id=assessment_id,
        payload=payload,
    )
    return assessment


async def remove_assessments(session: Session, *where: ColumnElement[bool]) -> int:
    """Delete all these assessments, an event for each, without a commit; returns how many.

    A sitting that is in progress without one of them could not end, so it is abandoned: first, as whoever answers in
    it holds the sitting and then its parts.
    """
    theirs = select(Assessment.sitting_id).where(*where, Assessment.sitting_id.is_not(None))
    await abandon_sittings(session, Sitting.id.in_(theirs))
    removed = await AssessmentRepository(session).remove(*where)
    payloads = {key: {"user_id": user_id, "assessment_id": key} for key, user_id in removed.items()}
    await _tell_of_all(session, "AssessmentDeleted", payloads)
    return len(removed)


async def _tell_of_all(session: Session, event_type: str, payloads: Mapping[str, dict[str, Any]]) -> None:
    """An event about each assessment, if there are any."""
    if payloads:
        await record_events(session, event_type=event_type, aggregate_type="Assessment", payloads=payloads)


async def remove_scores(session: Session, *where: ColumnElement[bool]) -> int:
    """Delete all these scores, an event for each, without a commit; returns how many."""
    removed = await AIRScoreRepository(session).remove(*where)
    payloads = {key: {"user_id": user_id, "air_score_id": key} for key, user_id in removed.items()}
    if removed:
        await record_events(session, event_type="AIRScoreDeleted", aggregate_type="AIRScore", payloads=payloads)
        forget_cached_users(session, *sorted(set(removed.values())))
    return len(removed)


@retried
async def reset_lab_data(session: Session) -> list[User]:
    """Delete every user with all that is theirs, every event and inbox row, then create the sample users.

    All of it is one transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Two resets, or a reset and a new user, one after the other. SQLite has one writer anyway.
        await session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    user_ids = await session.scalars(select(User.id))
    forget_cached_users(session, *user_ids.all())
    for model in (User, DomainEvent, InboxEntry):  # the database deletes what belongs to a user
        await session.execute(delete(model))
    users = await add_sample_users(session)
    await session.commit()
    return users


async def lab_row_counts(session: Session) -> dict[str, int]:
    """What `reset_lab_data` would delete: rows by table."""
    models = (User, Credentials, Sitting, Assessment, Response, AIRScore, DomainEvent, InboxEntry)
    counts = [select(func.count()).select_from(model).scalar_subquery() for model in models]
    row = (await session.execute(select(*counts))).one()
    return dict(zip((model.__tablename__ for model in models), row, strict=True))
