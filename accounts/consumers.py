"""A process that died between commit and invalidation leaves no stale profile: the event invalidates again."""

from accounts.cached import invalidate_user_cache
from outbox.consumer import TryAgain, handles
from outbox.envelope import Envelope
from qulab.cache.read_through import get_cache


@handles("UserCreated", "UserUpdated", "UserDeleted")
async def forget_cached_user(envelope: Envelope) -> None:
    # UserCreated too: the cache may have noted that there is no such user.
    if not await invalidate_user_cache(get_cache(), envelope.data["user_id"]):
        raise TryAgain("the cache does not answer, so the entry of a changed user could not be deleted")
