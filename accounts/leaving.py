"""Who leaves takes all that is theirs along in one transaction; that staff changed something stays, but not what."""

from accounts.models import User
from accounts.services import remove_users
from qulab.access.person import Person
from qulab.admin.audit import record
from qulab.db.errors import NotFound
from qulab.db.retry import retried
from qulab.db.session import Session

USERS = "users"  # the list that the audit names


@retried
async def delete_account(session: Session, *, person: Person) -> None:
    """Delete a person's own account, with tests, scores and credentials. Raises NotFound."""
    if not await remove_users(session, User.id == person.id):
        raise NotFound(User, person.id)
    record(session, person, action="delete", list_name=USERS, row_id=person.id)
    await session.commit()
