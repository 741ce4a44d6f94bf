"""An experiment from the choice of what one expects to the comparison of two runs, measured by the lab's own worker."""

import csv
import io
import re
import time

import pytest
from playwright.async_api import Locator, Page, expect

from .person import begin, press, result
from .sites import Sites

QUERIES = "#bench-queries"
FEEDBACK_MS = 100
CANCEL_SECONDS = 1.0


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def scripting(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def measure(page: Page, *, users: int, repeats: int = 2) -> None:
    """Run the experiment of section 3 and wait for what came of it."""
    await page.get_by_label("Users", exact=True).fill(str(users))
    await page.get_by_label("Repeats", exact=True).fill(str(repeats))
    await press(page, "Run")
    await expect(result(page)).to_contain_text(f"users = {users},")


def figure(page: Page, name: str) -> Locator:
    return result(page).locator(".readouts > div").filter(has_text=name).get_by_role("definition").first


async def test_a_run_is_expected_measured_judged_and_kept(page: Page, sites: Sites, scripting: bool) -> None:
    await begin(page, sites.lab, "Repositories and N+1")

    await page.get_by_label("one more than users").check()
    await measure(page, users=20)

    await expect(result(page)).to_contain_text("As you expected:")
    await expect(figure(page, "lazy: statements")).to_contain_text("21")
    assert ("/lab/3?run=" if scripting else "/lab/runs/") in page.url
    await page.reload()
    await expect(figure(page, "lazy: statements")).to_contain_text("21")


async def test_its_samples_are_a_file(page: Page, sites: Sites) -> None:
    await begin(page, sites.lab, "Repositories and N+1")
    await measure(page, users=5)

    address = await result(page).get_by_role("link", name="CSV of").get_attribute("href")
    answer = await page.request.get(f"{sites.lab}{address}")

    rows = list(csv.reader(io.StringIO(await answer.text())))
    assert rows[0] == ["series", "repeat", "time, ms"]
    assert {row[0] for row in rows[1:]} >= {"lazy", "selectinload", "joinedload"}


async def test_two_runs_are_compared(page: Page, sites: Sites) -> None:
    await begin(page, sites.lab, "Repositories and N+1")
    await measure(page, users=10)
    await measure(page, users=30)

    await result(page).get_by_role("link", name="Compare with another run").click()
    await page.get_by_role("radio", name="As A").nth(1).check()
    await press(page, "Compare A with B")

    await expect(page.get_by_role("heading", name="Two runs side by side")).to_be_visible()
    row = page.get_by_role("group", name="Figures of both runs").get_by_role("row").filter(has_text="lazy: statements")
    await expect(row).to_contain_text("2.82")  # 31 statements for 11
    await expect(page.locator(".note")).to_contain_text("users 10 → 30")


@pytest.mark.parametrize("scripting", [True], indirect=True)
async def test_a_press_is_answered_at_once_and_a_cancellation_within_a_second(page: Page, sites: Sites) -> None:
    await begin(page, sites.lab, "Repositories and N+1")
    await page.get_by_label("Users", exact=True).fill("500")
    await page.get_by_label("Scores each", exact=True).fill("10")
    await page.get_by_label("Repeats", exact=True).fill("5")

    answered_after: float = await page.evaluate(
        """() => new Promise((answer) => {
          const form = document.querySelector("#bench-queries form");
          const pressed = performance.now();
          new MutationObserver(() => form.classList.contains("htmx-request") && answer(performance.now() - pressed))
            .observe(form, { attributes: true });
          form.querySelector("button[data-keys=r]").click();
        })"""
    )
    await expect(result(page).locator("[data-run-steps]")).to_contain_text(re.compile(r"[1-9]\d* of \d+"))
    pressed = time.monotonic()
    await press(page, "Cancel")
    await expect(result(page)).to_contain_text("Cancelled.")
    took = time.monotonic() - pressed

    assert answered_after <= FEEDBACK_MS
    assert took <= CANCEL_SECONDS + 0.5  # half a second for the browser itself, on a machine with other tests


@pytest.mark.parametrize("scripting", [True], indirect=True)
async def test_samples_move_while_it_runs_and_the_address_stays_in_the_section(page: Page, sites: Sites) -> None:
    await begin(page, sites.lab, "Repositories and N+1")
    await page.get_by_label("Users", exact=True).fill("300")
    await page.get_by_label("Repeats", exact=True).fill("5")

    await press(page, "Run")

    await expect(page.locator("[data-live-plot] circle").first).to_be_visible()
    await expect(result(page).get_by_role("link", name="Address of this run")).to_be_visible()


@pytest.mark.parametrize("scripting", [True], indirect=True)
async def test_postgresql_is_chosen_on_the_page_and_started_by_the_worker(page: Page, sites: Sites) -> None:
    await begin(page, sites.lab, "Repositories and N+1")

    await page.locator(QUERIES).get_by_label("Database").select_option(label="PostgreSQL")
    await page.get_by_label("Users", exact=True).fill("5")
    await press(page, "Run")

    await expect(result(page)).to_contain_text("on PostgreSQL 18", timeout=30_000)
