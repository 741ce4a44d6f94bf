import pytest
from sqlalchemy import func, select

from accounts.models import User
from accounts.services import create_user
from outbox.models import DomainEvent
from qulab.db.base import Base
from qulab.db.engine import Database
from qulab.lab.models import Run
from tests.lab.conftest import Lab, text_of


async def rows(database: Database, model: type[Base]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


class TestCreateUser:
    async def test_stores_the_user_and_shows_row_and_statements(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/1/users", email="New.User@example.com", name="New Test User")

        async with database.reading() as session:
            user = await session.get(User, run.result.user.id)
        assert user is not None
        assert (user.email, user.name) == ("new.user@example.com", "New Test User")
        assert run.result.count == 2  # the user and its event
        assert run.result.commit_ms > 0
        assert run.result.statements[-1].sql == "COMMIT"

    async def test_the_result_survives_a_refresh(self, lab: Lab) -> None:
        run = await lab.run("/lab/1/users", email="new@example.com", name="New")

        for _ in range(2):
            assert run.result.user.id in text_of(await lab.get(f"/lab/1?run={run.id}"))

    @pytest.mark.parametrize(
        ("email", "name", "field"),
        [
            ("not-an-address", "Ann", "email"),
            ("", "Ann", "email"),
            (f"{'a' * 250}@example.com", "Ann", "email"),
            ("ann@example.com", "", "name"),
            ("ann@example.com", "   ", "name"),
            ("ann@example.com", "x" * 256, "name"),
            ("ann@example.com", "a\x00b", "name"),
        ],
    )
    async def test_bad_input_is_told_at_its_field_and_nothing_is_stored(
        self, lab: Lab, database: Database, email: str, name: str, field: str
    ) -> None:
        answer = await lab.send("/lab/1/users", email=email, name=name)

        page = text_of(answer)
        assert answer.status_code == 422
        assert f'id="id_{field}_error"' in page
        assert f'aria-describedby="id_{field}_error"' in page
        assert f'value="{email}"' in page or not email  # what was typed is kept
        assert [await rows(database, model) for model in (User, DomainEvent, Run)] == [0, 0, 0]

    async def test_an_address_that_is_taken_is_told_at_the_field(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            await create_user(session, email="alex@example.com", name="Alex")

        answer = await lab.send("/lab/1/users", email="ALEX@example.com", name="Another")

        assert answer.status_code == 422
        assert "A user with this email exists." in text_of(answer)
        assert 'value="Another"' in text_of(answer)
        assert await rows(database, User) == 1
        assert await rows(database, DomainEvent) == 1

    async def test_a_name_is_shown_as_text(self, lab: Lab) -> None:
        run = await lab.run("/lab/1/users", email="x@example.com", name="<b>Bob</b>")

        page = text_of(await lab.get(f"/lab/1?run={run.id}"))

        assert "&lt;b&gt;Bob&lt;/b&gt;" in page
        assert "<b>Bob</b>" not in page


class TestSchemaOnThePage:
    async def test_names_every_table_and_column_of_the_metadata(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/1"))

        for table in Base.metadata.tables.values():
            assert f"<code>{table.name}</code>" in page
            for column in table.columns:
                assert f"<code>{column.name}</code>" in page

    async def test_shows_the_relationships_that_exist(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/1"))

        assert "<code>User.scores</code>" in page
        assert "<code>AIRScore.user</code>" in page

    async def test_lists_a_bounded_number_of_users(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            session.add_all([User(email=f"u{i}@example.com", name=f"U{i}") for i in range(40)])
            await session.commit()

        page = text_of(await lab.get("/lab/1"))

        assert page.count("@example.com</td>") == 12
        assert "12 of 40 users" in page
