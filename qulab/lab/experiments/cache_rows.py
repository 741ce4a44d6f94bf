"""Every strategy reads and writes the database here, so that what it costs there is counted one way for all."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import bindparam, select, update

from accounts.models import User
from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from qulab.db.engine import Database

Then = Callable[[], Awaitable[object]]

# Of the table, not of the model: that would compare versions, and these writes were acknowledged already.
_STORE = (
    update(User.__table__)  # type: ignore[arg-type]
    .where(User.id == bindparam("row"))
    .values(name=bindparam("new_name"), version=bindparam("new_version"))
)


class Rows:
    """The users of a scratch database. `loads`: rows that were read; `commits`: transactions that wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.loads = 0
        self.commits = 0

    async def load(self, id_: str) -> UserSnapshot:
        self.loads += 1
        async with self._database.reading() as session:
            return UserSnapshot.of(await UserRepository(session).one(id_))

    async def change(self, id_: str, name: str, then: Then | None = None) -> UserSnapshot:
        """The row with its next version, committed; `then` follows the commit. The database orders writers."""
        statement = update(User).where(User.id == id_).values(name=name, version=User.version + 1).returning(User)
        self.commits += 1
        async with self._database.writing() as session:
            changed = UserSnapshot.of((await session.scalars(statement)).one())
            if then is not None:
                session.on_commit(then)
            await session.commit()
        return changed

    async def store(self, changed: Sequence[UserSnapshot]) -> None:
        """What was decided elsewhere, in one transaction."""
        rows = [{"row": one.id, "new_name": one.name, "new_version": one.version} for one in changed]
        self.commits += 1
        async with self._database.writing() as session:
            await (await session.connection()).execute(_STORE, rows)
            await session.commit()

    async def versions(self) -> dict[str, int]:
        async with self._database.reading() as session:
            return dict((await session.execute(select(User.id, User.version))).tuples().all())
