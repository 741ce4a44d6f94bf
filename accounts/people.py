"""Who a session belongs to is asked anew by each request: a changed password ends it, and rights that went are gone."""

from accounts.holders import holder_of_id
from qulab.access.person import Known
from qulab.db.engine import get_database


async def known(user_id: str) -> Known | None:
    """The account of a user, in one statement, in a session of its own: the view's begins with the view."""
    async with get_database().reading() as session:
        holder = await holder_of_id(session, user_id)
    return holder.known if holder and holder.password else None
