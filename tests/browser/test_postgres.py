"""The lab on PostgreSQL, as a person meets it: a user, a score, an event that arrives."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from qulab.local import PostgresServer
from qulab.local.redis_server import free_port
from tests.process.running import RunningLab

from .person import begin, press, result


@pytest.fixture(scope="module")
def origin(browser: Browser, postgres_server: PostgresServer, folder: Path) -> Iterator[str]:
    """`manage.py lab --postgres`; asks for the tests' server only to know that one can be started here."""
    lab = RunningLab(folder / "postgres", free_port(), "--postgres")
    try:
        lab.wait_for_address()
        lab.readiness(200, within=30)
        yield f"http://127.0.0.1:{lab.port}"
    finally:
        lab.close()


async def test_a_user_is_created_and_their_score_reaches_the_consumer(page: Page, origin: str) -> None:
    name = f"New User {uuid4().hex[:4]}"
    await begin(page, origin, "Data models")
    await page.get_by_label("Email").fill(f"{uuid4().hex[:8]}@example.com")
    await page.get_by_label("Name").fill(name)
    await press(page, "Create user")
    await expect(result(page).get_by_role("heading", name=f"{name} is stored")).to_be_visible()
    await expect(result(page)).to_contain_text("on PostgreSQL")
    user_id = await result(page).locator("code.id").inner_text()

    await page.get_by_role("navigation", name="Sections").get_by_role("link", name="Events and the outbox").click()
    await page.get_by_label("User id").fill(user_id)
    await press(page, "Calculate and store")
    event = await page.get_by_role("link", name="See what became of the event").get_attribute("href")

    inbox = page.get_by_role("group", name="Inbox", exact=True)
    await expect(inbox.locator(f"a[href='{event}']")).to_be_visible()
