import html
import re
from itertools import combinations

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, func, select, text

from accounts.models import User
from accounts.services import create_user
from assessments.models import AIRScore, Assessment, Response, Sitting
from assessments.services import add_sample_scores
from outbox.models import DomainEvent, InboxEntry
from qulab.admin.cascade import dependents
from qulab.db.base import Base, utcnow
from qulab.db.engine import Database
from qulab.lab import entities, relations
from qulab.lab.benches.cascade import verdict
from qulab.lab.experiments import cascade
from qulab.lab.models import Run
from tests.lab.conftest import Lab, text_of

SITTING = {"occupation_code": "15-1252", "bank_version": "1", "bank_sha256": "0" * 64, "seed": "s"}
ANSWERED = {"answer": "a", "is_right": True, "answered_at": utcnow()}


async def rows(database: Database, model: type[Base]) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


def ends(path: str) -> tuple[float, float]:
    """The heights between which a link leads."""
    start, end = re.fullmatch(r"M[\d.]+,([\d.]+)H[\d.]+V([\d.]+)H[\d.]+", path).groups()  # type: ignore[union-attr]
    return float(start), float(end)


def lane(path: str) -> float:
    """Where it runs from the one to the other."""
    return float(re.findall(r"H(-?[\d.]+)", path)[0])


def overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether two lanes run over each other: a place across, and from which height to which."""
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


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

    async def test_the_diagram_has_a_line_for_each_column_and_foreign_key(self) -> None:
        for drawing in entities.drawings():
            for entity in drawing.entities:
                table = Base.metadata.tables[entity.name]
                assert [line.name for line in entity.lines] == [column.name for column in table.columns]
                assert len(entity.indexes) == len(table.indexes)
                assert [line.name for line in entity.lines if line.key == "FK"] == [
                    column.name for column in table.columns if column.foreign_keys
                ]
            keys = [key for entity in drawing.entities for key in Base.metadata.tables[entity.name].foreign_keys]
            assert len(drawing.links) == len(keys) == 6
        assert "air_scores.user_id refers to users.id, on delete cascade." in entities.sentence()
        assert "air_scores.sitting_id refers to sittings.id, on delete set null." in entities.sentence()

    async def test_the_diagram_leaves_out_no_table_that_people_have_rows_in(self) -> None:
        owned = {"users", *(table.name for table in dependents(User.__table__, ()))} - {"credentials"}

        for drawing in entities.drawings():
            assert owned < {entity.name for entity in drawing.entities}

    async def test_tells_what_a_deletion_does_beside_each_key(self) -> None:
        for drawing in entities.drawings():
            boxes = {entity.name: entity for entity in drawing.entities}
            told = {line.name: line.type for line in boxes["air_scores"].lines if line.key == "FK"}
            assert told == {"user_id": "on delete cascade", "sitting_id": "on delete set null"}

    async def test_tells_an_index_of_some_rows_from_one_of_all(self, lab: Lab) -> None:
        for drawing in entities.drawings():
            boxes = {entity.name: entity for entity in drawing.entities}
            assert sorted((line.key, line.name) for line in boxes["sittings"].indexes) == [
                ("index", "user_id"),
                ("unique*", "user_id"),
            ]

        page = html.unescape(text_of(await lab.get("/lab/1")))

        assert "<code>uq_sittings_open_user_id (unique): user_id where status = 'in_progress'</code>" in page

    async def test_a_link_ends_at_the_columns_that_it_joins(self) -> None:
        for drawing in entities.drawings():
            boxes = {entity.name: entity for entity in drawing.entities}
            expected = {
                (boxes[name].at(key.parent.name), boxes[key.column.table.name].at(key.column.name))
                for name in boxes
                for key in Base.metadata.tables[name].foreign_keys
            }
            assert {ends(link.path) for link in drawing.links} == expected

    async def test_links_share_a_lane_only_where_they_lead_to_the_same_table(self) -> None:
        for drawing in entities.drawings():
            lanes: dict[tuple[float, float], list[tuple[float, float]]] = {}
            for link in drawing.links:
                start, end = ends(link.path)
                lanes.setdefault((lane(link.path), end), []).append((min(start, end), max(start, end)))
            of = [(x, min(a for a, _ in spans), max(b for _, b in spans)) for (x, _), spans in lanes.items()]
            assert not [(one, other) for one, other in combinations(of, 2) if overlap(one, other)]

    async def test_boxes_do_not_touch_and_stay_on_the_sheet(self) -> None:
        for drawing in entities.drawings():
            for one, other in combinations(drawing.entities, 2):
                assert (
                    one.right < other.x
                    or other.right < one.x
                    or one.y + one.height < other.y
                    or other.y + other.height < one.y
                )
            assert all(lane(link.path) > 0 for link in drawing.links)
            assert max(one.right for one in drawing.entities) < drawing.width
            assert max(one.y + one.height for one in drawing.entities) < drawing.height

    async def test_shows_what_each_type_of_relationship_becomes(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/1"))

        for told in ("User.scores", "AIRScore.user", "relationship(uselist=False)", "relationship(secondary=inbox)"):
            assert f"<code>{told}</code>" in page
        assert page.count("no score yet") == 2

    async def test_the_examples_are_rows_that_are_there(self, lab: Lab, database: Database) -> None:
        user = (await lab.run("/lab/1/users", email="one@example.com", name="One Of Many")).result.user
        async with database.writing() as session:
            score = (await add_sample_scores(session, user_id=user.id))[-1]
            event = (await session.scalars(select(DomainEvent).where(DomainEvent.aggregate_id == score.id))).one()
            session.add(InboxEntry(consumer_group="readers", event_id=event.id, event_type=event.event_type))
            await session.commit()

        page = text_of(await lab.get("/lab/1"))

        assert "One Of Many: scores 3, assessments 0" in page
        assert f'{score.id}</code><br>→ <code class="break">{event.id}</code>' in page
        assert "1 group has handled this event" in page

    @pytest.mark.parametrize(
        ("name", "target"),
        [
            ("one_to_many", "JOIN air_scores ON users.id = air_scores.user_id"),
            ("many_to_one", "JOIN users ON users.id = air_scores.user_id"),
            ("one_to_one", "JOIN domain_events ON domain_events.aggregate_id = air_scores.id"),
            ("many_to_many", "ON inbox_1.consumer_group = consumer_groups.name"),
        ],
    )
    async def test_joins_are_compiled_from_the_declared_relationships(
        self, database: Database, name: str, target: str
    ) -> None:
        sql = getattr(relations.joins(database.engine.dialect), name)

        assert sql.endswith(target)
        async with database.reading() as session:
            assert await session.scalar(text(f"SELECT count(*) {sql}")) == 0

    async def test_lists_a_bounded_number_of_users(self, lab: Lab, database: Database) -> None:
        async with database.writing() as session:
            session.add_all([User(email=f"u{i}@example.com", name=f"U{i}") for i in range(40)])
            await session.commit()

        page = text_of(await lab.get("/lab/1"))

        assert page.count("@example.com</td>") == 12
        assert "12 of 40 users" in page


class TestTry:
    async def user(self, lab: Lab) -> str:
        run = await lab.run("/lab/1/users", email="first@example.com", name="First")
        return str(run.result.user.id)

    async def test_an_address_twice_is_refused_with_constraint_and_field(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/1/try/duplicate", user=await self.user(lab))

        result = run.result
        assert (result.constraint, result.field, result.tried) == ("ix_users_email", "email", "first@example.com")
        assert "ix_users_email" in result.words or result.words == "UNIQUE constraint failed: users.email"
        assert (result.before, result.after) == (1, 1)
        assert [(one.failed, one.sql.split()[0]) for one in result.statements] == [(True, "INSERT")]
        assert await rows(database, User) == 1
        assert result.words in html.unescape(text_of(await lab.get(f"/lab/1?run={run.id}")))

    async def test_a_score_of_nobody_is_refused_and_not_stored(self, lab: Lab, database: Database) -> None:
        run = await lab.run("/lab/1/try/orphan")

        result, on_postgresql = run.result, database.dialect == "postgresql"
        assert result.constraint == ("fk_air_scores_user_id_users" if on_postgresql else None)
        assert result.field == ("user_id" if on_postgresql else None)
        assert "foreign key" in result.words.lower()
        assert (result.before, result.after) == (0, 0)
        assert await rows(database, AIRScore) == 0

    async def test_counts_what_a_deletion_would_take_along_and_deletes_nothing(
        self, lab: Lab, database: Database
    ) -> None:
        user_id = await self.user(lab)
        other = (await lab.run("/lab/1/users", email="other@example.com", name="Other")).result.user.id
        async with database.writing() as session:
            await add_sample_scores(session, user_id=user_id)
            await add_sample_scores(session, user_id=other)
            sitting = Sitting(user_id=user_id, **SITTING)
            session.add(sitting)
            await session.flush()
            assessment = Assessment(user_id=user_id, component="fluency", sitting_id=sitting.id)
            session.add(assessment)
            await session.flush()
            session.add_all(
                Response(assessment_id=assessment.id, position=n, item_id=f"i{n}", candidates=[], **answered)
                for n, answered in ((1, ANSWERED), (2, {}))
            )
            await session.commit()
        models = (User, Sitting, Assessment, Response, AIRScore, DomainEvent)
        before = [await rows(database, model) for model in models]

        result = (await lab.run("/lab/1/try/cascade", user_id=user_id)).result

        assert (result.sittings, result.assessments, result.responses) == (1, 1, 2)
        assert (result.scores, result.events) == (3, 4)
        assert [await rows(database, model) for model in models] == before
        async with database.writing() as session:  # and so it is
            await session.execute(delete(User).where(User.id == user_id))
            await session.commit()
        gone = [was - await rows(database, model) for was, model in zip(before, models, strict=True)]
        assert gone == [1, 1, 1, 2, 3, 0]

    @pytest.mark.parametrize("what", ["duplicate", "cascade"])
    @pytest.mark.parametrize(("fields", "field"), [({"user_id": "nobody"}, "user_id"), ({}, "user")])
    async def test_without_a_user_it_is_told_at_the_field(
        self, lab: Lab, database: Database, what: str, fields: dict[str, str], field: str
    ) -> None:
        answer = await lab.send(f"/lab/1/try/{what}", **fields)

        assert answer.status_code == 422
        assert f'id="id_{field}_error"' in text_of(answer)
        assert await rows(database, Run) == 0


class TestCascade:
    async def test_shows_counts_plots_and_statements_of_each_way(self, lab: Lab, sent: list[str]) -> None:
        run = await lab.experiment("cascade", scores=8, others=20, repeats=1, expected="orm")

        page = text_of(await lab.get(f"/lab/1?run={run.id}"))
        assert run.result.ways[0].largest.deletes == 9
        assert page.count('id="plot-cascade-') == 2
        assert "DELETE FROM air_scores WHERE air_scores.id = " in re.sub("<[^>]+>", "", page)
        assert "You expected:" in page
        assert "only the ORM that has loaded the scores" in page

    @pytest.mark.parametrize(
        ("loaded", "passive", "key"), [(9, 1, "loaded"), (9, 9, "orm"), (1, 1, "none"), (1, 9, "")]
    )
    async def test_the_verdict_is_what_was_counted(
        self, lab: Lab, sent: list[str], loaded: int, passive: int, key: str
    ) -> None:
        result = (await lab.experiment("cascade", scores=8, others=0, repeats=1)).result
        counted = {cascade.LOADED: loaded, cascade.PASSIVE: passive}
        ways = [replace(way, deletions=[replace(way.largest, deletes=counted.get(way.name, 1))]) for way in result.ways]

        assert verdict(replace(result, ways=ways)) == key
