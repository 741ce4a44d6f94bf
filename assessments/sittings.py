"""Each step of a sitting is one transaction: an answer is stored with the estimate, the next question and the events.

So after a crash at any moment either the answer is not there and its question still waits, or all is there. A question
is answered once, by a condition in the statement itself: of two tabs at once one is recorded, and the other is told.
"""

import secrets

from django.conf import settings

from accounts.repositories import UserRepository
from assessments.bank import CURRENT, Answer, bank
from assessments.models import Assessment, Sitting, Status
from assessments.occupations import find
from assessments.progress import (
    Next,
    Progress,
    SittingError,
    component_after,
    first_question,
    next_question,
)
from assessments.repositories import AssessmentRepository, ResponseRepository, SittingRepository
from assessments.scoring import COMPONENTS, Answers, score_test
from assessments.services import abandon_sittings, add_score
from outbox.events import record_event
from qulab.db.errors import Conflict, NotFound
from qulab.db.retry import retried
from qulab.db.session import Session


class OpenSitting(SittingError):
    """A test is in progress already. Go on with it, or end it first."""

    def __init__(self, sitting_id: str) -> None:
        super().__init__()
        self.sitting_id = sitting_id


class NotAsked(SittingError):
    """This question was not asked in this test, so nothing was recorded. Answer the question that is shown now."""


class NoAnswer(SittingError):
    """This cannot be an answer to this question, so nothing was recorded. Choose from what the question offers."""


class AlreadyAnswered(SittingError):
    """This question has another answer already, which counts. Nothing was recorded; go on with the next question."""


class Ended(SittingError):
    """This test was ended before its last question, so nothing was recorded. Begin another one."""


@retried
async def begin(session: Session, *, user_id: str, occupation_code: str, seed: str | None = None) -> str:
    """Begin a sitting with its first question, and return its id. What chance decides in it follows from `seed`.

    Raises NotFound for the user, UnknownOccupation, OpenSitting.
    """
    occupation, released = find(occupation_code), bank(CURRENT)
    await UserRepository(session).one(user_id)
    sitting = Sitting(
        user_id=user_id,
        occupation_code=occupation.code,
        bank_version=released.version,
        bank_sha256=released.sha256,
        seed=seed or secrets.token_hex(16),
    )
    try:
        await SittingRepository(session).create(sitting)
    except Conflict:
        await session.rollback()
        open_one = await SittingRepository(session).open_of(user_id)
        if open_one:
            raise OpenSitting(open_one.id) from None
        # It was ended meanwhile, or its user deleted: which of them is seen from the beginning.
        return await begin(session, user_id=user_id, occupation_code=occupation_code, seed=seed)
    await _start(session, Progress.begun(sitting), COMPONENTS[0])
    await session.commit()
    return sitting.id


@retried
async def answer(session: Session, *, user_id: str, sitting_id: str, question: str, answer: Answer) -> Status:
    """Record the answer to a question (the id of its response), and go on. Returns how the sitting stands after it.

    The same answer sent again gets the same reply, and is recorded once. Raises NotFound for a sitting that is not this
    person's, NotAsked, NoAnswer, AlreadyAnswered, Ended, Outdated.
    """
    progress = await progress_of(session, user_id=user_id, sitting_id=sitting_id, lock=True)
    asked = progress.find(question)
    if asked is None:
        raise NotAsked
    item = progress.item(asked)
    if not item.accepts(answer):
        raise NoAnswer
    given = item.normal(answer)
    if asked.is_right is None:
        if progress.status is not Status.IN_PROGRESS:
            raise Ended
        status = await _record(session, progress.with_answer(question, given), question)
        if status is not None:
            await session.commit()
            return status
        progress = await progress_of(session, user_id=user_id, sitting_id=sitting_id)  # another tab was first
        asked = progress.find(question)
    if asked is None:
        raise NotAsked
    if asked.answer != given:
        raise AlreadyAnswered
    return progress.status


@retried
async def abandon(session: Session, *, user_id: str, sitting_id: str) -> None:
    """End a sitting without a result; one that is over stays as it is. Raises NotFound."""
    sitting = await SittingRepository(session).get_by_id(sitting_id)
    if sitting is None or sitting.user_id != user_id:
        raise NotFound(Sitting, sitting_id)
    await abandon_sittings(session, Sitting.id == sitting_id)
    await session.commit()


async def progress_of(session: Session, *, user_id: str, sitting_id: str, lock: bool = False) -> Progress:
    """A person's own sitting as it stands; with `lock`, as it stays until the transaction ends. Raises NotFound."""
    rows = await SittingRepository(session).questions(user_id, sitting_id, lock=lock)
    if not rows:
        raise NotFound(Sitting, sitting_id)
    return Progress.of(user_id, rows)


async def _record(session: Session, after: Progress, question: str) -> Status | None:
    """Store the sitting after this question's answer; None where another answer was first."""
    part, asked = after.part_of(question), after.find(question)
    assert asked is not None, "who answers a question has found it"
    answers = part.answers(after.bank)
    ability = answers.ability()
    estimate = {"theta": ability.theta, "posterior_sd": ability.sd}
    responses = ResponseRepository(session)
    if not await responses.answer(question, answer=asked.answer, is_right=asked.is_right, **estimate):
        return None
    following = next_question(part.component, answers, ability, seed=after.seed, version=after.bank_version)
    status = Status.IN_PROGRESS if following else Status.COMPLETED
    told = {"current_ability": ability.theta, "posterior_sd": ability.sd, "items_administered": len(answers.items)}
    if not await AssessmentRepository(session).advance(part.assessment_id, status=status, **told):
        raise Ended
    if settings.ITEM_EVENTS:
        _tell_of_item(session, after, answers)
    if following:
        await _show(session, part.assessment_id, following)
        return Status.IN_PROGRESS
    _tell(session, "AssessmentCompleted", after, part.component, part.assessment_id, **told)
    return await _go_on(session, after, part.component)


async def _go_on(session: Session, after: Progress, component: str) -> Status:
    """From a component that is completed to the next, or to the score."""
    following = component_after(component)
    if following:
        await _start(session, after, following)
        return Status.IN_PROGRESS
    await _finish(session, after)
    return Status.COMPLETED


async def _start(session: Session, progress: Progress, component: str) -> None:
    assessment = Assessment(user_id=progress.user_id, sitting_id=progress.sitting_id, component=component)
    await AssessmentRepository(session).create(assessment)
    await _show(session, assessment.id, first_question(component, seed=progress.seed, version=progress.bank_version))
    _tell(session, "AssessmentStarted", progress, component, assessment.id)


async def _show(session: Session, assessment_id: str, shown: Next) -> None:
    await ResponseRepository(session).show(
        assessment_id=assessment_id, position=shown.position, item_id=shown.item_id, candidates=shown.candidates
    )


async def _finish(session: Session, after: Progress) -> None:
    if not await SittingRepository(session).complete(after.sitting_id):
        raise Ended
    origin = {"version": after.bank.version, "sha256": after.bank.sha256}
    score = score_test(after.answers(), find(after.occupation_code), origin)
    await add_score(
        session,
        user_id=after.user_id,
        occupation_code=after.occupation_code,
        score=score,
        sitting_id=after.sitting_id,
    )


def _tell(session: Session, event_type: str, of: Progress, component: str, assessment_id: str, **more: float) -> None:
    payload = {
        "user_id": of.user_id,
        "assessment_id": assessment_id,
        "sitting_id": of.sitting_id,
        "component": component,
        **more,
    }
    record_event(
        session, event_type=event_type, aggregate_type="Assessment", aggregate_id=assessment_id, payload=payload
    )


def _tell_of_item(session: Session, of: Progress, answers: Answers) -> None:
    """Of the last of these answers: one event for each question, so only where the settings ask for it."""
    payload = {
        "user_id": of.user_id,
        "assessment_id": answers.assessment_id,
        "item_id": answers.items[-1],
        "position": len(answers.items),
        "is_right": answers.right[-1],
    }
    record_event(
        session,
        event_type="AssessmentItemAnswered",
        aggregate_type="Assessment",
        aggregate_id=answers.assessment_id,
        payload=payload,
    )
