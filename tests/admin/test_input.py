import pytest

from qulab.db.engine import Database
from tests.admin.conftest import Desk, event, score, store, user

LISTS = ["users", "assessments", "scores", "events"]
BAD = [
    ("q", "%00"),
    ("q", "a%00b"),
    ("q", "a%1Bb"),
    ("q", "a%0Ab"),
    ("q", "%ff%fe"),
    ("q", "x" * 201),
    ("sort", "password"),
    ("sort", "-"),
    ("sort", "--created"),
    ("sort", "id;drop"),
    ("created_from", "yesterday"),
    ("created_from", "2026-02-30"),
    ("created_from", "0001-01-01"),
    ("created_to", "9999-12-31"),
    ("created_to", "%00"),
]
BAD_OF_EVENTS = [
    ("status", "lost"),
    ("status", "%00"),
    ("event_type", "x" * 101),
    ("aggregate_id", "x" * 37),
    ("aggregate_type", "%00"),
    ("age", "2h"),
    ("age", "%00"),
]


class TestBadInput:
    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            *((name, field, value) for name in LISTS for field, value in BAD),
            *(("events", field, value) for field, value in BAD_OF_EVENTS),
            ("users", "occupation_code", "x" * 21),
            ("scores", "user", "x" * 37),
        ],
    )
    async def test_is_told_at_its_field_and_nothing_is_listed(
        self, desk: Desk, database: Database, name: str, field: str, value: str
    ) -> None:
        owner = user()
        await store(database, owner)
        await store(database, score(owner), event())

        page = await desk.get(f"{name}?{field}={value}")

        assert page.status == 422
        assert f'id="id_{field}_error"' in page.html
        assert "Nothing is listed while something above could not be understood." in page.text
        assert not page.keys(name)

    async def test_a_period_that_ends_before_it_begins_is_told(self, desk: Desk) -> None:
        page = await desk.get("users?created_from=2026-03-02&created_to=2026-03-01")

        assert page.status == 422
        assert "This day is before the other one." in page.text

    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize(
        "params", ["x=1", "q=", "sort=&created_from=", "q=🐘", "q=%27--", "q=a&q=b", "after=&last="]
    )
    async def test_what_is_empty_unknown_or_only_odd_is_no_error(self, desk: Desk, name: str, params: str) -> None:
        assert (await desk.get(f"{name}?{params}")).status == 200

    async def test_the_text_that_was_refused_stays_in_its_field(self, desk: Desk) -> None:
        page = await desk.get("users?q=ok&occupation_code=123456789012345678901")

        assert 'value="ok"' in page.html
        assert 'value="123456789012345678901"' in page.html

    @pytest.mark.parametrize("path", ["", "users", "users/x"])
    async def test_pages_that_only_read_refuse_other_methods(self, desk: Desk, path: str) -> None:
        assert (await desk.send(path)).status == 405
