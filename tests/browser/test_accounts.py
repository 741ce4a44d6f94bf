"""People come, change what is theirs and leave, with JavaScript and without."""

import re
import time

import pytest
from playwright.async_api import Page, expect

from tests.process.running import RunningLab, eventually

from .checks import illegible, inaccessible, low_controls, too_wide
from .person import press
from .sites import Sites

PHRASE, ANOTHER = "correct horse battery staple", "a wholly different phrase"

pytestmark = pytest.mark.parametrize("scripting", [True, False], ids=["with JavaScript", "without"])


async def fill(page: Page, **fields: str) -> None:
    for label, text in fields.items():
        await page.get_by_label(label.replace("_", " "), exact=True).fill(text)


async def sign_up(page: Page, sites: Sites) -> str:
    """From the first page, by the sidebar; the address that was signed up with."""
    email = f"ada{time.time_ns()}@example.com"
    await page.goto(sites.lab)
    await page.get_by_role("link", name="Sign up", exact=True).click()
    await fill(page, Name="Ada Lovelace", Email=email, Password=PHRASE, Password_again=PHRASE)
    await press(page, "Sign up")
    await expect(page.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()
    return email


async def sign_in(page: Page, email: str, password: str) -> None:
    await fill(page, Email=email, Password=password)
    await press(page, "Sign in")


async def test_somebody_signs_up_changes_what_is_theirs_and_leaves(page: Page, sites: Sites) -> None:
    email = await sign_up(page, sites)

    await page.get_by_role("link", name="Edit profile").click()
    await fill(page, Occupation="15-1252", Years_of_experience="2.5")
    await press(page, "Save")
    await expect(page.get_by_role("status")).to_have_text("Your profile is changed.")
    await expect(page.get_by_role("row", name="Occupation")).to_contain_text("15-1252")

    await page.get_by_role("link", name="Change password").click()
    await fill(page, Current_password=PHRASE, New_password=ANOTHER, Password_again=ANOTHER)
    await press(page, "Change password")
    await expect(page.get_by_role("status")).to_contain_text("Every other browser is signed out.")

    await press(page, "Sign out")
    await expect(page.get_by_role("status")).to_have_text("You are signed out.")
    await sign_in(page, email, PHRASE)
    await expect(page.get_by_role("alert")).to_have_text("No account has this address with this password.")
    await sign_in(page, email, ANOTHER)
    await expect(page.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()

    await page.get_by_role("link", name="Delete account").click()
    await expect(page.get_by_role("row", name="Scores")).to_contain_text("0")
    await fill(page, Password=ANOTHER)
    await press(page, "Delete my account")
    await expect(page.get_by_role("heading", level=1, name="Your account is deleted")).to_be_visible()
    await page.get_by_role("link", name="Sign in", exact=True).click()
    await sign_in(page, email, ANOTHER)
    await expect(page.get_by_role("alert")).to_be_visible()


async def test_a_page_of_ones_own_follows_the_sign_in(page: Page, sites: Sites) -> None:
    email = await sign_up(page, sites)
    await press(page, "Sign out")
    await expect(page.get_by_text("You are signed out.")).to_be_visible()

    await page.goto(f"{sites.lab}/accounts/profile")
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await sign_in(page, email, PHRASE)

    await expect(page).to_have_url(f"{sites.lab}/accounts/profile")


async def test_another_browser_is_signed_out_at_once(page: Page, sites: Sites, scripting: bool) -> None:
    email = await sign_up(page, sites)
    assert page.context.browser is not None
    elsewhere = await page.context.browser.new_context(java_script_enabled=scripting)
    other = await elsewhere.new_page()
    await other.goto(f"{sites.lab}/accounts/sign-in")
    await sign_in(other, email, PHRASE)
    await expect(other.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()

    await press(page, "Sign out elsewhere")
    await expect(page.get_by_role("status")).to_have_text("Every other browser is signed out.")
    await other.reload()

    await expect(other.get_by_role("heading", level=1, name="Ada Lovelace")).to_have_count(0)
    await elsewhere.close()


async def test_a_mail_sets_a_password_and_its_token_leaves_the_address_bar(
    page: Page, sites: Sites, lab: RunningLab, scripting: bool
) -> None:
    email = await sign_up(page, sites)
    await press(page, "Sign out")
    await page.get_by_role("link", name="Forgotten password?").click()
    before = len(lab.output)
    await fill(page, Email=email)
    await press(page, "Send the mail")
    await expect(page.get_by_text("a mail to it is on its way")).to_be_visible()

    link = _mailed(lab, before)
    await page.goto(link)
    await expect(page).to_have_url(f"{sites.lab}/accounts/reset/new")
    if scripting:  # what looks at the page is a script
        assert not [*await too_wide(page), *await low_controls(page), *await inaccessible(page)]
        await page.emulate_media(color_scheme="dark")
        assert not await illegible(page)
    await fill(page, New_password=ANOTHER, Password_again=ANOTHER)
    await press(page, "Set password")
    await expect(page.get_by_role("status")).to_contain_text("Your password is set")
    await sign_in(page, email, ANOTHER)
    await expect(page.get_by_role("heading", level=1, name="Ada Lovelace")).to_be_visible()

    await page.goto(link)
    await expect(page.get_by_role("heading", level=1, name="This link cannot be used")).to_be_visible()


def _mailed(lab: RunningLab, after: int) -> str:
    """The newest link that the worker printed."""
    found: list[str] = []

    def printed() -> bool:
        found[:] = re.findall(r"http://\S+/accounts/reset/\S+/\S+", lab.output[after:])
        return bool(found)

    eventually(printed, within=15, what=lambda: lab.output[after:])
    return found[-1]
