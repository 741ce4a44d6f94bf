import pytest

from outbox.models import Status
from qulab.db.engine import Database
from qulab.db.probe import probe
from tests.admin.conftest import NOON, Desk, assessment, event, score, store, user


class TestDetail:
    async def test_a_user_is_shown_with_all_columns_and_related_rows(self, desk: Desk, database: Database) -> None:
        owner = user(name="Zoë Ångström", email="zoe@example.com", years_experience=8.5, created_at=NOON)
        await store(database, owner)
        scores = [score(owner, 40 + n) for n in range(12)]
        await store(database, *scores, assessment(owner))

        page = await desk.get(f"users/{owner.id}")

        assert page.status == 200
        for expected in ("Zoë Ångström", "zoe@example.com", "8.5", "2026-03-01 12:00:00.000000", owner.id):
            assert expected in page.text
        assert len(page.keys("scores")) == 10
        assert page.keys("scores")[0] == scores[-1].id
        assert page.links("All 12") == [f"/admin/scores?user={owner.id}"]
        assert page.links("All 1 ") == [f"/admin/assessments?user={owner.id}"]

    async def test_the_link_to_all_related_rows_lists_them(self, desk: Desk, database: Database) -> None:
        owner, other = user(1), user(2)
        await store(database, owner, other)
        await store(database, *(score(owner) for _ in range(12)), score(other))
        (address,) = (await desk.get(f"users/{owner.id}")).links("All 12")

        page = await desk.get(address.removeprefix("/admin/"))

        assert len(page.keys("scores")) == 12

    @pytest.mark.parametrize("count", [1, 30])
    async def test_statements_do_not_grow_with_related_rows(self, desk: Desk, database: Database, count: int) -> None:
        owner = user()
        await store(database, owner)
        await store(database, *(score(owner) for _ in range(count)), *(assessment(owner) for _ in range(count)))

        with probe(database.engine) as opened:
            await desk.get(f"users/{owner.id}")

        assert opened.count == 4  # the row, all counts, and one for each relationship

    async def test_a_score_leads_to_its_user_and_its_events(self, desk: Desk, database: Database) -> None:
        owner = user(name="Alex Smith")
        await store(database, owner)
        one = score(owner, 64.125, calculation_metadata={"parts": {"θ": [1, 2]}})
        await store(database, one)

        with probe(database.engine) as opened:
            page = await desk.get(f"scores/{one.id}")

        assert opened.count == 1
        assert page.links("Alex Smith") == [f"/admin/users/{owner.id}"]
        assert page.links("Events about this score") == [f"/admin/events?aggregate_type=AIRScore&aggregate_id={one.id}"]
        assert "64.125" in page.text
        assert '"θ": [' in page.text

    async def test_an_event_is_shown_with_its_life_and_leads_to_what_it_is_about(
        self, desk: Desk, database: Database
    ) -> None:
        owner = user()
        await store(database, owner)
        one = event(Status.DEAD, aggregate_id=owner.id, payload={"user_id": owner.id}, last_error="first\nsecond")
        await store(database, one)

        page = await desk.get(f"events/{one.id}")

        assert "first second" in page.text
        assert page.links(owner.id) == [f"/admin/users/{owner.id}"]
        assert page.links("Redrive") == [f"/admin/events/redrive?id={one.id}"]
        assert page.links("Discard") == [f"/admin/events/discard?id={one.id}"]
        assert not page.links("Replay")
        assert f'"user_id": "{owner.id}"' in page.text

    async def test_an_event_about_something_without_a_list_has_no_link(self, desk: Desk, database: Database) -> None:
        one = event(aggregate_type="Elephant", aggregate_id="nelly")
        await store(database, one)

        page = await desk.get(f"events/{one.id}")

        assert "nelly" in page.text
        assert not page.links("nelly")

    @pytest.mark.parametrize("name", ["users", "assessments", "scores", "events"])
    @pytest.mark.parametrize("key", ["nobody", "%00", "%F0%9F%90%98", "x" * 500, "%ff"])
    async def test_a_row_that_is_not_there_is_a_404_that_says_so(self, desk: Desk, name: str, key: str) -> None:
        page = await desk.get(f"{name}/{key}")

        assert page.status == 404
        assert "It may have been deleted." in page.text

    @pytest.mark.parametrize("path", ["elephants", "elephants/1", "users/redrive/x", "users/"])
    async def test_a_list_that_is_not_there_is_a_404(self, desk: Desk, path: str) -> None:
        assert (await desk.get(path)).status == 404
