"""The five demonstrations of the lab, each from the introduction to its visible result, with JavaScript and without."""

import re
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from .person import begin, press, reading, refresh_until, result, table
from .sites import Sites

pytestmark = pytest.mark.parametrize("scripting", [True, False], ids=["with JavaScript", "without"])


class TestDataModels:
    async def test_a_user_is_created_and_seen_and_a_second_one_of_that_address_refused(
        self, page: Page, sites: Sites
    ) -> None:
        email, name = f"{uuid4().hex[:8]}@example.com", f"New User {uuid4().hex[:4]}"
        await begin(page, sites.lab, "Data models")

        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Name").fill(name)
        await press(page, "Create user")

        await expect(result(page).get_by_role("heading", name=f"{name} is stored")).to_be_visible()
        await expect(reading(result(page), "Statements")).to_have_text("2")
        user_id = await result(page).locator("code.id").inner_text()
        await expect(table(page, "Users").get_by_role("row", name=name)).to_contain_text(user_id)

        await page.get_by_label("Email").fill(email.upper())
        await page.get_by_label("Name").fill(f"{name} again")
        await press(page, "Create user")

        await _is_told(page.get_by_label("Email"), "A user with this email exists.")
        await expect(table(page, "Users")).not_to_contain_text(f"{name} again")

    @pytest.mark.parametrize(
        ("email", "name", "field", "words"),
        [
            ("no address", "Somebody", "Email", "Enter an email address like name@example.com."),
            ("somebody@example.com", "", "Name", "Enter a name."),
        ],
    )
    async def test_what_is_missing_is_told_at_its_field_and_what_was_typed_stays(
        self, page: Page, sites: Sites, email: str, name: str, field: str, words: str
    ) -> None:
        await begin(page, sites.lab, "Data models")

        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Name").fill(name)
        await press(page, "Create user")

        await _is_told(page.get_by_label(field), words)
        await expect(page.get_by_label("Email")).to_have_value(email)
        await expect(page.get_by_label("Name")).to_have_value(name)

    async def test_what_the_schema_refuses_is_tried_and_told_with_constraint_and_field(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Data models")

        await press(page, "Store their address again")

        await expect(result(page).get_by_role("heading", name="Refused: the address is taken")).to_be_visible()
        await expect(result(page).get_by_role("row", name="Constraint ix_users_email")).to_be_visible()
        await expect(result(page).get_by_role("row", name="Field email")).to_be_visible()

        await press(page, "Count what would go")

        await expect(reading(result(page), "Scores go")).to_have_text(re.compile(r"^\d+$"))
        await expect(result(page)).to_contain_text("Nothing was deleted.")

    async def test_a_user_is_deleted_in_four_ways_and_what_each_sends_is_counted(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Data models")

        await page.get_by_label("only the ORM that has loaded the scores").check()
        await page.get_by_label("Scores", exact=True).fill("20")
        await page.get_by_label("Repeats").fill("1")
        await press(page, "Run")

        await expect(result(page)).to_contain_text("As you expected:", timeout=40_000)
        await expect(reading(result(page), "ORM, scores loaded: DELETEs")).to_contain_text("21")
        await expect(reading(result(page), "plain DELETE: DELETEs")).to_contain_text("1")

    async def test_what_goes_with_a_user_is_said_and_the_next_section_is_one_click_away(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Data models")

        await expect(page.get_by_role("heading", name="What goes with a user")).to_be_visible()
        await expect(page.get_by_text("ON DELETE CASCADE").first).to_be_visible()
        await page.get_by_role("navigation", name="Before and after").get_by_role("link", name="Connections").click()

        await expect(page.get_by_role("heading", level=1, name="Connections and pool")).to_be_visible()


class TestConnectionsAndPool:
    async def test_initialising_names_what_goes_first_and_ends_with_two_users(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")

        await page.get_by_role("link", name="Initialise and create sample users").click()
        await expect(page.get_by_role("heading", name="What will be deleted")).to_be_visible()
        await expect(page.get_by_role("row", name="users")).to_contain_text(re.compile(r"\d+ rows?"))
        await page.get_by_role("link", name="Keep everything").click()
        await expect(page.get_by_role("heading", level=1, name="Connections and pool")).to_be_visible()
        await page.get_by_role("link", name="Initialise and create sample users").click()
        await press(page, "Delete this and create the sample users")

        await expect(result(page).get_by_role("heading", name="The sample users are there")).to_be_visible()
        for name in ("Alex Smith", "Jane Doe"):
            await expect(result(page).get_by_role("row", name=name)).to_contain_text("@example.com")

    async def test_a_sweep_finds_the_knee_and_draws_the_law_beneath_the_dots(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")

        await page.get_by_label("never: a larger pool is always faster").check()
        await page.get_by_label("Largest pool").fill("4")
        await page.get_by_label("Requests", exact=True).fill("16")
        await page.get_by_label("Repeats").fill("1")
        await press(page, "Run")

        await expect(result(page).get_by_role("heading", name="Why the knee is there")).to_be_visible(timeout=40_000)
        await expect(reading(result(page), "Knee")).to_have_text(re.compile(r"^[124]"))
        await expect(result(page)).to_contain_text(re.compile(r"(As you expected|You expected):"))
        drawn = result(page).get_by_role("img", name=re.compile("^Throughput over the size of the pool: "))
        await expect(drawn.filter(visible=True)).to_have_accessible_name(re.compile(r"Little's law: 3 points"))

    async def test_a_forgotten_await_is_shown_beside_the_same_call_with_it(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Connections and pool")

        await press(page, "Run both")

        await expect(result(page).get_by_role("row", name="returned")).to_contain_text("coroutine object")
        await expect(result(page).get_by_role("row", name="later")).to_contain_text("was never awaited")


class TestRepositories:
    async def test_three_scores_are_added_and_fetched_in_two_statements_both_ways(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Repositories and N+1")

        await page.get_by_label("User", exact=True).select_option(label="Alex Smith · alex.smith@example.com")
        await press(page, "Add three sample scores")
        await expect(result(page).get_by_role("heading", name="Three scores for Alex Smith")).to_be_visible()

        for button, heading in [
            ("Fetch lazily", "Alex Smith, scores loaded when touched"),
            ("Fetch eagerly", "Alex Smith, scores loaded along"),
        ]:
            await press(page, button)
            await expect(result(page).get_by_role("heading", name=heading)).to_be_visible()
            await expect(reading(result(page), "Statements")).to_have_text("2")
            assert int(await reading(result(page), "Scores").inner_text()) >= 3

    async def test_two_hundred_users_take_201_statements_lazily_and_2_eagerly_as_predicted(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Repositories and N+1")

        await page.get_by_label("Repeats").fill("1")
        await page.get_by_label("one more than users").check()
        await press(page, "Run")

        await expect(result(page)).to_contain_text("As you expected: one more than users.")
        ways = table(page, "Four ways compared")
        for way, statements in [("lazy", "201"), ("selectinload", "2"), ("joinedload", "1")]:
            row = ways.get_by_role("row").filter(has=page.get_by_role("rowheader", name=way, exact=True))
            await expect(row.get_by_role("cell").first).to_have_text(statements)
        await expect(ways.get_by_role("row", name="raiseload")).to_contain_text("lazy='raise'")
        repeated = table(page, "Statements by text").get_by_role("row").filter(has_text="200 ×")
        await expect(repeated).to_contain_text("walk_lazily")
        await repeated.get_by_text("Plan: finds rows of air_scores through the index").click()
        await expect(repeated.get_by_text("SEARCH air_scores USING INDEX")).to_be_visible()

        await page.get_by_label("Number of users", exact=True).fill("2000")
        await page.get_by_label("Network round trip, ms", exact=True).fill("10")
        await press(page, "Draw the line")
        await expect(page.get_by_text("2000 users would take").first).to_be_visible()
        await expect(page.get_by_text("The same, with the database further away").first).to_be_visible()

    async def test_a_page_tells_its_statements_their_lines_and_their_plans(
        self, page: Page, sites: Sites, scripting: bool
    ) -> None:
        await begin(page, sites.lab, "Repositories and N+1")
        address, log = page.url, page.locator("#statements")

        await log.get_by_text("Statements of this page").click()
        await expect(log.locator("summary").first).to_contain_text("1 statement,")
        await log.get_by_role("button", name="Explain").click()
        if scripting:
            await expect(log.get_by_text("walks through users in the order of the index")).to_be_visible()
            assert page.url == address
        else:
            await expect(page.get_by_role("heading", name="How the database would answer")).to_be_visible()
            await expect(page.get_by_text("walks through users in the order of the index")).to_be_visible()
            await page.go_back()
            await page.locator("#statements > summary").click()

        await page.locator("#statements").get_by_role("link", name="accounts/repositories.py:").click()
        await expect(page.get_by_role("heading", level=1, name="accounts/repositories.py")).to_be_visible()
        await expect(page.locator("span:target")).to_contain_text("self.list(order_by=")

    async def test_an_id_that_nobody_has_is_told_at_its_field(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Repositories and N+1")

        await page.get_by_label("or another user's id").fill("nobody")
        await press(page, "Fetch eagerly")

        await _is_told(page.get_by_label("or another user's id"), "No user has this id.")


class TestCaching:
    async def test_the_first_fetch_misses_the_second_hits_and_the_counters_say_so(
        self, page: Page, sites: Sites
    ) -> None:
        await begin(page, sites.lab, "Caching with Redis")
        await press(page, "Invalidate")
        await expect(result(page).get_by_role("heading", name="Both keys are deleted")).to_be_visible()
        await press(page, "Reset counters")
        await expect(page.get_by_text("0 requests, so H is undefined.")).to_be_visible()

        for button, what in [("Fetch user", "User"), ("Fetch latest score", "Latest score")]:
            for outcome in ("miss", "hit"):
                await press(page, button)
                await expect(reading(result(page), what)).to_have_text(outcome)

        counted = page.locator("section").filter(has=page.get_by_role("heading", name="Counted in this process"))
        for name, value in [("Hits", "2"), ("Misses", "2"), ("Hit ratio H", "0.500")]:
            await expect(reading(counted, name)).to_have_text(value)

    async def test_an_update_makes_the_next_fetch_miss_and_read_the_new_name(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Caching with Redis")
        await press(page, "Fetch user")

        await press(page, "Update user")
        told = await result(page).get_by_role("heading", name="The name is now").inner_text()
        await press(page, "Fetch user")

        await expect(reading(result(page), "User")).to_have_text("miss")
        name = told.partition("“")[2].removesuffix("”")
        await expect(result(page).get_by_role("row", name="name")).to_contain_text(name)

    async def test_invalidating_makes_the_next_fetch_miss(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Caching with Redis")
        await press(page, "Fetch latest score")

        await press(page, "Invalidate")
        await expect(result(page)).to_contain_text("The next fetch of either is a miss.")
        await press(page, "Fetch latest score")

        await expect(reading(result(page), "Latest score")).to_have_text("miss")

    async def test_five_hundred_fetches_show_each_hit_and_miss(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Caching with Redis")

        await press(page, "Fetch 500 times")

        await expect(result(page).get_by_role("heading", name="500 fetches over")).to_be_visible()
        await expect(result(page).get_by_role("img", name="Hits and misses in order")).to_be_visible()
        hits = int(await reading(result(page), "Hits").inner_text())
        assert hits + int(await reading(result(page), "Misses").inner_text()) == 500

    async def test_other_values_move_the_line_and_wrong_ones_are_told_at_their_field(
        self, page: Page, sites: Sites
    ) -> None:
        await page.goto(f"{sites.lab}/lab/4?ratio=0.5&t_cache=1&t_database=4#what-if")
        part = page.locator("#what-if")
        await expect(reading(part, "Pays from H on")).to_have_text("0.250")

        await part.get_by_label("T_cache, ms").fill("2")
        await press(page, "Draw")
        await expect(reading(part, "Pays from H on")).to_have_text("0.500")

        await part.get_by_label("Hit ratio H, 0 to 1").fill("1.5")
        await press(page, "Draw")
        await expect(part.locator("#what_if_ratio_problem")).to_have_text("Enter a number from 0 to 1.")

    async def test_writers_are_killed_and_what_one_strategy_loses_was_expected(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Caching with Redis")
        await page.get_by_label("write-behind", exact=True).check()
        await page.get_by_label("Operations", exact=True).fill("10")
        await page.get_by_label("Rounds", exact=True).fill("1")

        await press(page, "Run")

        await expect(result(page)).to_contain_text("As you expected: write-behind.", timeout=40_000)
        lost = result(page).locator("#plot-lost")
        await expect(lost.get_by_role("img").first).to_have_accessible_name(re.compile("read-through: 0.0 % · 0 of"))


class TestOutbox:
    async def test_an_event_waits_for_the_publisher_and_is_then_published_and_handled(
        self, page: Page, sites: Sites, scripting: bool
    ) -> None:
        await begin(page, sites.lab, "Events and the outbox")

        await press(page, "Stop the publisher")
        await expect(result(page)).to_contain_text("Stopped: each relay ends after its current pass.")
        await press(page, "Calculate and store")
        await expect(result(page)).to_contain_text("The publisher was stopped at that moment")
        event = await page.get_by_role("link", name="See what became of the event").get_attribute("href")
        await expect(_entry(page, "Pending", event)).to_be_visible()

        await press(page, "Start the publisher")
        await expect(result(page)).to_contain_text(re.compile(r"Started, with \d+ events? to publish\."))
        for place in ("Published", "Inbox"):
            if not scripting:
                await refresh_until(page, _entry(page, place, event))
            await expect(_entry(page, place, event)).to_be_visible()
        await expect(_entry(page, "Pending", event)).to_have_count(0)

        await _entry(page, "Published", event).click()
        await expect(page.get_by_role("row", name="Marked as published")).to_contain_text("in the relay's transaction")
        await expect(page.get_by_role("row", name="Handled by qulab")).to_contain_text("noted in its inbox")

    async def test_a_score_needs_its_user_and_abilities_within_their_scale(self, page: Page, sites: Sites) -> None:
        await begin(page, sites.lab, "Events and the outbox")

        await page.get_by_label("AI fluency θ").fill("5")
        await press(page, "Calculate and store")
        await _is_told(page.get_by_label("AI fluency θ"), "from −4 to 4")
        await page.get_by_label("AI fluency θ").fill("1.5")
        await page.get_by_label("User id").fill("nobody")
        await press(page, "Calculate and store")

        await _is_told(page.get_by_label("User id"), "No user has this id.")


async def _is_told(field: Locator, words: str) -> None:
    """The message belongs to the field, for eyes and for screen readers."""
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile(re.escape(words)))
    await expect(field.page.get_by_text(words).first).to_be_visible()


def _entry(page: Page, place: str, event: str | None) -> Locator:
    return page.get_by_role("group", name=place, exact=True).locator(f"a[href='{event}']")
