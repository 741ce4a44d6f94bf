"""What a person is told of their own tests and scores: frozen values, and nothing of anybody else's."""

import msgspec
from sqlalchemy import select

from assessments.models import AIRScore, Sitting, Status
from assessments.progress import Progress
from assessments.repositories import AIRScoreRepository, SittingRepository
from assessments.scoring import COMPONENTS
from assessments.snapshots import AIRScoreSnapshot, ListedScore
from qulab.db.errors import NotFound
from qulab.db.session import Session


class SittingNow(msgspec.Struct, frozen=True):
    """A sitting and the question that waits in it; where none does, `question` and `item_id` are empty."""

    id: str
    status: Status
    occupation_code: str
    bank_version: str
    component: str  # the one in progress, else the last
    step: int  # its number, from 1
    position: int  # of the question in it, from 1
    answered: int  # in all components
    question: str
    item_id: str
    score_id: str | None
    is_outdated: bool  # this release no longer has its questions

    @classmethod
    def of(cls, progress: Progress, score_id: str | None) -> "SittingNow":
        pending, last = progress.pending, progress.parts[-1]
        return cls(
            id=progress.sitting_id,
            status=progress.status,
            occupation_code=progress.occupation_code,
            bank_version=progress.bank_version,
            component=last.component,
            step=COMPONENTS.index(last.component) + 1,
            position=len(last.asked),
            answered=progress.answered,
            question=pending.question if pending else "",
            item_id=pending.item_id if pending else "",
            score_id=score_id,
            is_outdated=progress.is_outdated,
        )


class Overview(msgspec.Struct, frozen=True):
    """The test that is in progress, and the scores, the newest first."""

    open: SittingNow | None
    scores: list[ListedScore]


async def sitting_of(session: Session, *, user_id: str, sitting_id: str) -> SittingNow:
    """A person's own sitting. Raises NotFound."""
    rows = await SittingRepository(session).questions(user_id, sitting_id)
    if not rows:
        raise NotFound(Sitting, sitting_id)
    return await _now(session, Progress.of(user_id, rows))


async def overview_of(session: Session, user_id: str) -> Overview:
    rows = await SittingRepository(session).questions_of_open(user_id)
    scores = await AIRScoreRepository(session).listed(user_id)
    open_one = await _now(session, Progress.of(user_id, rows)) if rows else None
    return Overview(open_one, [ListedScore.of(score) for score in scores])


async def last_occupation_of(session: Session, user_id: str) -> str:
    """The code of a person's latest score; "" where they have none."""
    latest = await AIRScoreRepository(session).listed(user_id, limit=1)
    return latest[0].occupation_code if latest else ""


async def score_of(session: Session, *, user_id: str, score_id: str) -> AIRScoreSnapshot:
    """A person's own score. Raises NotFound, for another person's too."""
    score = await AIRScoreRepository(session).get_by_id(score_id)
    if score is None or score.user_id != user_id:
        raise NotFound(AIRScore, score_id)
    return AIRScoreSnapshot.of(score)


async def _now(session: Session, progress: Progress) -> SittingNow:
    score = select(AIRScore.id).where(AIRScore.sitting_id == progress.sitting_id)
    over = progress.status is Status.COMPLETED
    return SittingNow.of(progress, await session.scalar(score) if over else None)
