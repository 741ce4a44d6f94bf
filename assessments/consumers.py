"""A process that died between commit and invalidation leaves no stale latest score: the event invalidates again."""

from assessments.cached import LATEST_SCORE
from outbox.consumer import TryAgain, handles
from outbox.envelope import Envelope
from qulab.cache.read_through import get_cache


@handles("AIRScoreCalculated", "AIRScoreDeleted")
async def forget_latest_score(envelope: Envelope) -> None:
    if not await get_cache().invalidate(LATEST_SCORE.key(envelope.data["user_id"])):
        raise TryAgain("the cache does not answer, so a changed user's latest score could not be deleted from it")
