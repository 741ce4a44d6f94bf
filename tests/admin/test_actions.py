from datetime import timedelta
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis
from sqlalchemy import select

from outbox.models import DomainEvent, Status
from outbox.relay import Relay
from qulab.admin import query
from qulab.db.base import utcnow
from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.admin.conftest import Desk, Page, event, store, user

ACTIONS = ["redrive", "replay", "discard"]


async def states(database: Database) -> dict[str, str]:
    async with database.reading() as session:
        rows = await session.execute(select(DomainEvent.id, DomainEvent.status))
        return {row.id: row.status for row in rows}


async def one(database: Database, key: str) -> DomainEvent:
    async with database.reading() as session:
        found = await session.get(DomainEvent, key)
        assert found is not None
        return found


async def confirm(desk: Desk, page: Page, action: str, **fields: Any) -> Page:
    """Send the form of a confirm page."""
    return await desk.send(f"events/{action}", **{**page.hidden(), **fields})


class TestAsk:
    async def test_says_how_many_with_what_consequence_and_shows_a_sample(self, desk: Desk, database: Database) -> None:
        await store(database, *(event(Status.DEAD, event_type=f"Event{n}") for n in range(7)), event())

        page = await desk.get("events/redrive?all=1&status=dead")

        assert page.status == 200
        assert "Redrive 7 dead events?" in page.text
        assert "The relay tries again from attempt 0." in page.text
        assert len(page.keys("events")) == 5
        assert "and 2 more" in page.text
        assert page.links("Cancel") == ["/admin/events?status=dead"]

    @pytest.mark.parametrize(
        ("action", "consequence"),
        [
            ("redrive", "later events of its aggregate wait for it"),
            ("replay", "finds it in its inbox"),
            ("discard", "this cannot be undone"),
        ],
    )
    async def test_each_says_its_own_consequence(
        self, desk: Desk, database: Database, action: str, consequence: str
    ) -> None:
        await store(database, event(Status.DEAD), event(Status.PUBLISHED))

        assert consequence in (await desk.get(f"events/{action}?all=1")).text

    async def test_says_which_of_the_selection_are_left_out_and_why(self, desk: Desk, database: Database) -> None:
        rows = [event(Status.DEAD), event(), event(Status.PUBLISHED)]
        await store(database, *rows)

        page = await desk.get("events/discard?id=gone&" + "&".join(f"id={row.id}" for row in rows))

        assert "Discard 1 dead event?" in page.text
        assert "2 selected rows are left as they are. Only dead events can be discarded." in page.text
        assert "1 selected row is no longer there." in page.text

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ("", "Nothing is selected."),
            ("all=", "Nothing is selected."),
            ("id=", "There is nothing to do"),
            ("id=%00", "One of the ids is none."),
            ("id=" + "x" * 37, "One of the ids is none."),
            ("&".join(f"id={n}" for n in range(51)), "At most 50 rows"),
            ("all=1&status=lost", "The filter could not be understood, so no rows are meant."),
            ("all=1&created_from=never", "The filter could not be understood, so no rows are meant."),
        ],
    )
    async def test_a_selection_that_means_nothing_is_refused(
        self, desk: Desk, database: Database, params: str, message: str
    ) -> None:
        await store(database, event(Status.DEAD))

        page = await desk.get(f"events/redrive?{params}")

        assert message in page.text
        assert "<form" not in page.main
        assert page.status == (200 if params == "id=" else 422)

    @pytest.mark.parametrize("action", ACTIONS)
    async def test_asking_changes_nothing(self, desk: Desk, database: Database, action: str) -> None:
        await store(database, event(Status.DEAD), event(Status.PUBLISHED))
        before = await states(database)

        with probe(database.engine) as opened:
            await desk.get(f"events/{action}?all=1")

        assert opened.count == 2
        assert await states(database) == before

    async def test_only_what_lists_declare_can_be_asked_for(self, desk: Desk) -> None:
        assert (await desk.get("users/redrive?all=1")).status == 404
        assert (await desk.get("events/delete?all=1")).status == 404


class TestOffers:
    async def test_are_those_that_may_apply_to_the_rows_that_are_listed(self, desk: Desk, database: Database) -> None:
        await store(database, event(), event(Status.DEAD), event(Status.PUBLISHED))

        offered = {
            status: [name for name in ACTIONS if f'formaction="/admin/events/{name}"' in page.html]
            for status in ("", "pending", "published", "dead")
            for page in [await desk.get(f"events?status={status}")]
        }

        assert offered == {"": ACTIONS, "pending": [], "published": ["replay"], "dead": ["redrive", "discard"]}

    async def test_the_list_sends_its_filter_along(self, desk: Desk, database: Database) -> None:
        await store(database, event(Status.DEAD))

        page = await desk.get("events?status=dead&event_type=UserCreated")

        assert page.hidden() | {"all": ["1"]} == {
            "status": ["dead"], "event_type": ["UserCreated"], "all": ["1"]
        }  # fmt: skip


class TestDo:
    async def test_redrive_of_ticked_rows(self, desk: Desk, database: Database) -> None:
        rows = [event(Status.DEAD), event(Status.DEAD), event(Status.PUBLISHED)]
        await store(database, *rows)
        page = await desk.get(f"events/redrive?status=dead&id={rows[0].id}&id={rows[2].id}")

        answer = await confirm(desk, page, "redrive")

        assert answer.status == 302
        assert answer.response["Location"] == "/admin/events?status=dead&done=redrive&n=1"
        assert await states(database) == {rows[0].id: "pending", rows[1].id: "dead", rows[2].id: "published"}
        assert (await one(database, rows[0].id)).attempts == 0
        done = await desk.get("events?status=dead&done=redrive&n=1")
        assert "1 event is pending again." in done.text

    async def test_discard_of_all_that_match_keeps_the_reason(self, desk: Desk, database: Database) -> None:
        rows = [event(Status.DEAD), event(Status.DEAD, event_type="Other"), event()]
        await store(database, *rows)
        page = await desk.get("events/discard?all=1&event_type=UserCreated")

        answer = await confirm(desk, page, "discard", reason="a test of the importer")

        assert answer.response["Location"] == "/admin/events?event_type=UserCreated&done=discard&n=1"
        assert await states(database) == {rows[0].id: "discarded", rows[1].id: "dead", rows[2].id: "pending"}
        assert "a test of the importer" in str((await one(database, rows[0].id)).last_error)

    async def test_all_that_match_a_search_can_be_acted_on(self, desk: Desk, database: Database) -> None:
        owner = user()
        await store(database, owner)
        await store(database, event(Status.DEAD, aggregate_id=owner.id), event(Status.DEAD))

        answer = await confirm(desk, await desk.get(f"events/redrive?all=1&q={owner.id}"), "redrive")

        assert answer.response["Location"].endswith("done=redrive&n=1")

    async def test_redrive_of_all_of_an_age_leaves_what_is_younger(self, desk: Desk, database: Database) -> None:
        old, young = event(Status.DEAD, created_at=utcnow() - timedelta(hours=2)), event(Status.DEAD)
        await store(database, old, young)

        answer = await confirm(desk, await desk.get("events/redrive?all=1&age=1h"), "redrive")

        assert answer.response["Location"] == "/admin/events?age=1h&done=redrive&n=1"
        assert await states(database) == {old.id: "pending", young.id: "dead"}

    async def test_replay_publishes_under_a_new_entry(
        self, desk: Desk, database: Database, streams_client: Redis
    ) -> None:
        row = event()
        await store(database, row)
        relay = Relay(database, streams_client)
        await relay.drain()
        first = (await one(database, row.id)).stream_id

        await confirm(desk, await desk.get(f"events/replay?id={row.id}"), "replay")
        await relay.drain()

        again = await one(database, row.id)
        assert again.status == "published"
        assert again.stream_id != first
        assert await streams_client.xlen("events:User") == 2

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "a\x07b", "a\x00b"])
    async def test_discard_without_a_good_reason_is_asked_again(
        self, desk: Desk, database: Database, reason: str
    ) -> None:
        row = event(Status.DEAD)
        await store(database, row)

        answer = await confirm(desk, await desk.get(f"events/discard?id={row.id}"), "discard", reason=reason)

        assert answer.status == 422
        assert 'id="id_reason_error"' in answer.html
        assert "Discard 1 dead event?" in answer.text
        assert await states(database) == {row.id: "dead"}

    async def test_more_rows_than_were_confirmed_are_asked_about_again(self, desk: Desk, database: Database) -> None:
        await store(database, event(Status.DEAD))
        page = await desk.get("events/redrive?all=1&status=dead")
        await store(database, event(Status.DEAD))

        answer = await confirm(desk, page, "redrive")

        assert answer.status == 409
        assert "Meanwhile it applies to more rows than you were asked about." in answer.text
        assert "Redrive 2 dead events?" in answer.text
        assert set((await states(database)).values()) == {"dead"}
        assert (await confirm(desk, answer, "redrive")).status == 302
        assert set((await states(database)).values()) == {"pending"}

    @pytest.mark.parametrize("confirmed", ["", "0", "x", "-1", "٣", "9" * 30])
    async def test_nothing_is_done_that_was_not_confirmed(self, desk: Desk, database: Database, confirmed: str) -> None:
        await store(database, event(Status.DEAD))

        answer = await desk.send("events/redrive", all="1", confirmed=confirmed)

        assert answer.status == 409
        assert set((await states(database)).values()) == {"dead"}

    @pytest.mark.parametrize("fields", [{}, {"id": "\x00"}, {"all": "1", "status": "lost"}])
    async def test_a_selection_that_means_nothing_is_refused(
        self, desk: Desk, database: Database, fields: dict[str, str]
    ) -> None:
        await store(database, event(Status.DEAD))

        answer = await desk.send("events/redrive", confirmed="9", **fields)

        assert answer.status == 422
        assert set((await states(database)).values()) == {"dead"}

    async def test_a_row_that_changed_meanwhile_is_left_as_it_is(self, desk: Desk, database: Database) -> None:
        row = event(Status.DEAD)
        await store(database, row)
        page = await desk.get(f"events/redrive?id={row.id}")
        await confirm(desk, page, "redrive")

        again = await confirm(desk, page, "redrive")

        assert again.response["Location"].endswith("done=redrive&n=0")

    @pytest.mark.parametrize("done", ["explode&n=3", "redrive&n=x", "redrive", "redrive&n=-1", "redrive&n=" + "9" * 13])
    async def test_an_address_that_was_made_up_tells_of_nothing_done(self, desk: Desk, done: str) -> None:
        page = await desk.get(f"events?done={done}")

        assert page.status == 200
        assert 'role="status"' not in page.html

    @pytest.mark.parametrize("action", ACTIONS)
    async def test_needs_the_proof_of_origin(self, desk: Desk, database: Database, action: str) -> None:
        await store(database, event(Status.DEAD), event(Status.PUBLISHED))
        before = await states(database)
        strict = AsyncClient(enforce_csrf_checks=True)

        answer = await strict.post(f"/admin/events/{action}", {"all": "1", "confirmed": "9", "reason": "x"})

        assert answer.status_code == 403
        assert await states(database) == before

    def test_a_page_of_ticked_rows_can_be_selected(self) -> None:
        from qulab.admin.actions import MOST_SELECTED

        assert MOST_SELECTED == query.PAGE == 50
