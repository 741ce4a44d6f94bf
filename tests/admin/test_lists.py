from datetime import timedelta
from typing import Any

import pytest

from outbox.models import Status
from qulab.admin import query
from qulab.admin.site import site
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.access.people import signed_in
from tests.admin.conftest import NOON, Desk, assessment, event, score, store, user, users

NAMES = ["users", "assessments", "scores", "events"]


async def one_of_each(database: Database) -> None:
    owner = user(1, name="Alex Smith", email="alex@example.com", occupation_code="15-1252")
    other = user(2, name="Jane Doe", email="jane@example.com", occupation_code="15-2051")
    await store(database, owner, other)
    await store(
        database,
        assessment(owner, component="fluency", status="completed"),
        assessment(other, component="domain"),
        score(owner, 71.25),
        score(other, 40.0, occupation_code="15-2051"),
        event(aggregate_id=owner.id),
        event(Status.DEAD, event_type="AIRScoreCalculated", aggregate_type="AIRScore", aggregate_id="s"),
    )


class TestList:
    async def test_rows_are_listed_the_newest_first_with_the_row_they_belong_to(
        self, desk: Desk, database: Database
    ) -> None:
        await one_of_each(database)

        page = await desk.get("scores")

        assert page.status == 200
        assert "2 stored" in page.text
        assert page.text.index("Jane Doe") < page.text.index("Alex Smith")
        assert "71.2" in page.text

    @pytest.mark.parametrize("name", [*NAMES, "runs", "audit"])
    async def test_an_empty_list_says_what_is_so_and_what_to_do(self, desk: Desk, name: str) -> None:
        page = await desk.get(name)

        assert page.status == 200
        assert "There are no" in page.text
        assert "<table" not in page.html

    async def test_a_filter_without_a_match_says_so(self, desk: Desk, database: Database) -> None:
        await users(database, 1)

        page = await desk.get("users?q=nobody")

        assert "No row matches." in page.text
        assert page.links("Clear") == ["/admin/users"]

    async def test_the_index_counts_every_list_in_one_statement(self, desk: Desk, database: Database) -> None:
        await one_of_each(database)

        with probe(database.engine) as opened:
            page = await desk.get("")

        assert opened.count == 2  # the other one reads the last changes
        assert page.status == 200
        assert page.links("Dead") == ["/admin/events?status=dead"]
        assert "Users 2" in page.text

    async def test_a_count_stops_at_its_bound(
        self, desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(query, "MOST_COUNTED", 3)
        await users(database, 5)

        async with database.reading() as session:
            counts = await query.bounded_counts(session, {"users": query.counted(site.get("users"))})

        assert counts == {"users": query.Count(3, exact=False)}
        assert "3+ stored" in (await desk.get("users")).text

    async def test_what_people_typed_is_shown_as_text(self, desk: Desk, database: Database) -> None:
        await users(database, 1, name="<script>alert(1)</script>")

        page = await desk.get("users")

        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.html
        assert "<script>alert" not in page.html


class TestStatements:
    @pytest.mark.parametrize("name", NAMES)
    async def test_a_list_costs_two_statements_for_10_rows_and_for_100(
        self, desk: Desk, database: Database, name: str
    ) -> None:
        counts = []
        for start in (0, 10):
            owners = [user(n) for n in range(start, start + 10 + 8 * start)]
            await store(database, *owners)
            await store(database, *(row for one in owners for row in (score(one), assessment(one), event())))
            with probe(database.engine) as opened:
                page = await desk.get(f"{name}?created_from=2000-01-01")
            assert len(page.keys(name)) == min(10 + 9 * start, 50)
            counts.append(opened.count)

        assert counts == [2, 2]

    @pytest.mark.parametrize("name", ["", *NAMES, "runs", "audit", "events?q=user&status=dead", "users?q=nobody"])
    async def test_staff_are_told_from_others_by_one_more(
        self, desk: Desk, database: Database, settings: Any, name: str
    ) -> None:
        settings.LOCAL_OPERATOR = False
        await one_of_each(database)
        await signed_in(desk.client, database, is_staff=True)

        with probe(database.engine) as opened:
            page = await desk.get(name)

        assert page.status == 200
        assert opened.count <= 3
        assert "FROM credentials" in opened.statements[0].sql or "credentials" in opened.statements[0].sql

    async def test_what_cannot_be_understood_costs_none(self, desk: Desk, database: Database) -> None:
        with probe(database.engine) as opened:
            await desk.get("users?created_from=never")

        assert opened.count == 0


class TestSearch:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("users?q=SMITH", 1),
            ("users?q=jane@", 1),
            ("users?q=e", 2),
            ("users?q=%25", 0),
            ("users?q=_", 0),
            ("users?q=%20alex%20", 1),
            ("scores?q=doe", 1),
            ("assessments?q=alex@example", 1),
            ("assessments?q=domain", 1),
            ("events?q=airscore", 1),
            ("events?q=went+away", 1),
        ],
    )
    async def test_finds_part_of_a_text_in_any_case(
        self, desk: Desk, database: Database, path: str, found: int
    ) -> None:
        await one_of_each(database)

        page = await desk.get(path)

        assert len(page.keys(path.partition("?")[0])) == found

    @pytest.mark.parametrize(
        ("q", "found"), [("A/B%25C_D", 1), ("/b%25", 1), ("/", 1), ("%25c_", 1), ("a_b", 0), ("//", 0)]
    )
    async def test_takes_signs_as_they_are(self, desk: Desk, database: Database, q: str, found: int) -> None:
        await store(database, user(1, name="a/b%c_d"), user(2))

        assert len((await desk.get(f"users?q={q}")).keys("users")) == found

    @pytest.mark.parametrize("q", ["ÅNGSTRÖM", "ångström", "Ångström"])
    async def test_folds_the_case_of_letters_beyond_ascii(self, desk: Desk, database: Database, q: str) -> None:
        await store(database, user(1, name="Zoë Ångström"), user(2))

        assert len((await desk.get(f"users?q={q}")).keys("users")) == 1

    async def test_an_id_finds_its_row_and_what_refers_to_it(self, desk: Desk, database: Database) -> None:
        owner, other = user(1), user(2)
        await store(database, owner, other)
        await store(database, score(owner), score(other), event(aggregate_id=owner.id), event(aggregate_id=other.id))

        for name in ("users", "scores", "events"):
            page = await desk.get(f"{name}?q={owner.id.upper()}")
            assert "1 match" in page.text


class TestFilter:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("users?occupation_code=15-1252", 1),
            ("users?occupation_code=15", 0),
            ("scores?occupation_code=15-2051", 1),
            ("assessments?component=fluency", 1),
            ("assessments?status=completed", 1),
            ("events?status=dead", 1),
            ("events?status=published", 0),
            ("events?event_type=UserCreated", 1),
            ("events?aggregate_type=AIRScore&aggregate_id=s", 1),
            ("events?aggregate_type=AIRScore&aggregate_id=t", 0),
            ("events?status=dead&q=usercreated", 0),
        ],
    )
    async def test_leaves_out_what_does_not_equal(self, desk: Desk, database: Database, path: str, found: int) -> None:
        await one_of_each(database)

        page = await desk.get(path)

        assert page.status == 200
        assert len(page.keys(path.partition("?")[0])) == found
        assert f"{found} match" in page.text

    async def test_scores_of_one_user(self, desk: Desk, database: Database) -> None:
        owner, other = user(1), user(2)
        await store(database, owner, other)
        await store(database, score(owner), score(owner), score(other))

        assert len((await desk.get(f"scores?user={owner.id}")).keys("scores")) == 2

    @pytest.mark.parametrize(
        ("period", "found"),
        [
            ("created_from=2026-03-02", 2),
            ("created_to=2026-03-02", 2),
            ("created_from=2026-03-02&created_to=2026-03-02", 1),
            ("created_from=2026-03-04", 0),
            ("created_from=1970-01-01&created_to=2999-12-31", 3),
        ],
    )
    async def test_a_period_holds_both_of_its_days(
        self, desk: Desk, database: Database, period: str, found: int
    ) -> None:
        midnight = NOON.replace(hour=0)
        last = NOON.replace(hour=23, minute=59, second=59, microsecond=999999)
        times = [last, last + timedelta(days=1), midnight + timedelta(days=2)]
        await store(database, *(user(n, created_at=at) for n, at in enumerate(times)))

        assert len((await desk.get(f"users?{period}")).keys("users")) == found

    @pytest.mark.parametrize(("age", "found"), [("", 3), ("1m", 3), ("15m", 2), ("1h", 2), ("1d", 1), ("30d", 0)])
    async def test_an_age_leaves_out_what_is_younger(
        self, desk: Desk, database: Database, age: str, found: int
    ) -> None:
        ages = [timedelta(minutes=2), timedelta(hours=2), timedelta(days=2)]
        await store(database, *(event(created_at=utcnow() - one) for one in ages))

        page = await desk.get(f"events?age={age}")

        assert len(page.keys("events")) == found
        assert f'<option value="{age}" selected>' in page.html

    async def test_tabs_count_within_the_other_filters_and_keep_them(self, desk: Desk, database: Database) -> None:
        await store(database, event(), event(Status.DEAD), event(Status.DEAD, event_type="Other"))

        page = await desk.get("events?event_type=UserCreated&status=dead")

        assert "All 2" in page.text
        assert "Pending 1" in page.text
        assert "Dead 1" in page.text
        assert page.links("Pending") == ["?status=pending&event_type=UserCreated"]


class TestSort:
    @pytest.mark.parametrize(
        ("sort", "order"),
        [
            ("", ["c", "b", "a"]),
            ("-created", ["c", "b", "a"]),
            ("created", ["a", "b", "c"]),
            ("name", ["c", "a", "b"]),
            ("-name", ["b", "a", "c"]),
            ("email", ["b", "c", "a"]),
            ("-email", ["a", "c", "b"]),
        ],
    )
    async def test_users(self, desk: Desk, database: Database, sort: str, order: list[str]) -> None:
        rows = {"a": ("Bob", "z@"), "b": ("Carl", "a@"), "c": ("Anna", "m@")}
        ids = {}
        for letter, (name, email) in rows.items():
            one = user(name=name, email=f"{email}example.com")
            await store(database, one)
            ids[letter] = one.id

        page = await desk.get(f"users?sort={sort}")

        assert page.keys("users") == [ids[letter] for letter in order]

    @pytest.mark.parametrize(("sort", "order"), [("air_score", [10, 20.5, 30]), ("-air_score", [30, 20.5, 10])])
    async def test_scores_by_value(self, desk: Desk, database: Database, sort: str, order: list[float]) -> None:
        owner = user()
        await store(database, owner)
        ids: dict[float, Any] = {}
        for value in (20.5, 10, 30):
            one = score(owner, value)
            await store(database, one)
            ids[value] = one.id

        assert (await desk.get(f"scores?sort={sort}")).keys("scores") == [ids[value] for value in order]

    async def test_a_heading_says_the_order_and_turns_it_round(self, desk: Desk, database: Database) -> None:
        await users(database, 1)

        page = await desk.get("users?sort=name&q=person")

        assert 'aria-sort="ascending"' in page.html
        assert page.links("Name") == ["?q=person&sort=-name"]
        assert page.links("Email") == ["?q=person&sort=email"]
