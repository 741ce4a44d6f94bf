"""The score and its event are stored by the product's service; the statements between BEGIN and COMMIT are listed."""

import time

import msgspec

from assessments.services import calculate_and_store_airscore
from assessments.snapshots import AIRScoreSnapshot
from outbox.selectors import OutboxState, outbox_state
from outbox.services import pause, resume
from qulab.db.engine import Database
from qulab.db.probe import Statement, probe
from qulab.db.session import Session
from qulab.lab.runs import Kind


class StoredScore(msgspec.Struct, frozen=True):
    score: AIRScoreSnapshot
    event_id: str
    event_type: str
    event_status: str
    statements: list[Statement]
    count: int
    commit_ms: float
    total_ms: float
    paused: bool


class Switched(msgspec.Struct, frozen=True):
    paused: bool
    pending: int


STORE = Kind(5, "store-score", StoredScore)
SWITCH = Kind(5, "publisher", Switched)


async def store_score(
    session: Session,
    database: Database,
    *,
    user_id: str,
    occupation_code: str,
    fluency: float,
    domain: float,
    adaptive: float,
) -> StoredScore:
    """Raises NotFound for the user and UnknownOccupation for the code."""
    with probe(database.engine) as opened:
        began = time.perf_counter()
        score, event = await calculate_and_store_airscore(
            session,
            user_id=user_id,
            occupation_code=occupation_code,
            fluency=fluency,
            domain=domain,
            adaptive=adaptive,
        )
        total_ms = 1000 * (time.perf_counter() - began)
    return StoredScore(
        score=AIRScoreSnapshot.of(score),
        event_id=event.id,
        event_type=event.event_type,
        event_status=event.status,
        statements=opened.statements,
        count=opened.count,
        commit_ms=opened.commit_ms,
        total_ms=total_ms,
        paused=(await outbox_state(session)).paused,
    )


async def switch(session: Session, *, publishing: bool) -> Switched:
    """Start or stop every relay, through the flag that is stored with the partitions."""
    await (resume(session) if publishing else pause(session))
    state: OutboxState = await outbox_state(session)
    return Switched(state.paused, state.pending)
