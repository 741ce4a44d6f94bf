"""Every page in every state that looks different, in one list: what is asserted of all is asserted of these."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

from playwright.async_api import Page, expect

from qulab.lab.bounds import LOOKS

from . import taking
from .sites import OWNER, OWNERS_PASSWORD, Sites

Step = Callable[[Page], Awaitable[object]]


def press(name: str) -> Step:
    return lambda page: page.get_by_role("button", name=name, exact=True).click()


def agree_to(action: str) -> Step:
    """Whatever number of rows the button names."""
    return lambda page: page.get_by_role("button", name=re.compile(rf"^{action} \d")).click()


def follow(name: str) -> Step:
    return lambda page: page.get_by_role("link", name=name).first.click()


def fill(label: str, value: str) -> Step:
    return lambda page: page.get_by_label(label, exact=True).fill(value)


def see(text: str, *, within: float = 5.0) -> Step:
    return lambda page: expect(page.get_by_text(text).first).to_be_visible(timeout=1000 * within)


async def forget_cookies(page: Page) -> None:
    await page.context.clear_cookies()


async def come_through_a_proxy(page: Page) -> None:
    await page.set_extra_http_headers({"X-Forwarded-For": "192.0.2.1"})
    await page.reload()


async def search_too_often(page: Page) -> None:
    """As a script would that knows no pause."""
    for _ in range(LOOKS.amount):
        await page.request.get(page.url)
    await page.reload()


async def unfold_all(page: Page) -> None:
    folded = page.locator("details:not([open]) > summary")
    while await folded.count():
        await folded.first.click()


def answer(label: str) -> tuple[Step, ...]:
    """Of the checkpoint."""
    return (lambda page: page.get_by_label(label, exact=True).check(), press("Answer"))


async def answer_nothing(page: Page) -> None:
    """As a browser would that does not look whether an answer is chosen."""
    await page.locator("#checkpoint form").evaluate("form => HTMLFormElement.prototype.submit.call(form)")
    await expect(page.get_by_text("Choose one of these answers.")).to_be_visible()


async def open_log(page: Page) -> None:
    await page.locator("#statements > summary").click()


async def reload(page: Page) -> None:
    await page.reload()


async def ask_what_if(page: Page) -> None:
    await page.goto(page.url.partition("#")[0] + "?users=1000&round_trip=5")


async def work_longer(page: Page) -> None:
    await page.goto(page.url.partition("#")[0] + "?work_ms=20&concurrency=3")


async def explain_first(page: Page) -> None:
    await page.locator("#statements").get_by_role("button", name="Explain").first.click()


@dataclass(frozen=True)
class State:
    """How a page comes to look like this. `pattern` is the name of its address in the URL configuration."""

    name: str
    pattern: str
    path: str
    steps: tuple[Step, ...] = ()
    site: str = "lab"
    status: int = HTTPStatus.OK

    async def reach(self, page: Page, sites: Sites) -> None:
        await page.goto(sites[self.site] + self.path)
        for step in self.steps:
            await step(page)
            await page.wait_for_load_state()  # a page that is closed while it loads may never be

    @property
    def listings(self) -> bool:
        """Whether its code listings are looked at: once for each page, where nothing was done on it yet."""
        return not self.steps and self.site in {"lab", "full"}

    def __str__(self) -> str:
        return self.name


TOO_MANY_FIELDS = "/lab/1?" + "&".join(["a"] * 1200)
UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
TOO_MANY_REQUESTS = HTTPStatus.TOO_MANY_REQUESTS
UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
EMPTY_FIELDS = (fill("Requests", ""), fill("At the same time", "0"), fill("Database work, ms", "51"))
SMALL_POOLS = (fill("Largest pool", "4"), fill("Requests", "16"), fill("Repeats", "1"))
SWEPT = (*SMALL_POOLS, press("Run"), see("Why the knee is there", within=40))
FEW_SCORES = (fill("Scores", "16"), fill("Other scores", "100"), fill("Repeats", "1"))
NO_SCORES = (fill("Scores", "3"), fill("Other scores", ""), fill("Repeats", "6"))
NO_ABILITY = (fill("AI fluency θ", "5"), fill("Applied domain reasoning θ", ""), fill("Adaptive capacity θ", "-9"))
FEW = (fill("Users", "20"), fill("Repeats", "1"))
ONE_ROUND = (fill("Events", "60"), fill("Rounds", "1"))
FEW_EACH = (fill("Operations", "20"), fill("Rounds", "1"))
NO_EACH = (fill("Operations", "9"), fill("At the same time", ""))
SOME_EXAMINEES = (fill("Examinees", "100"),)
SERVED = (fill("Examinees", "20"), lambda page: page.get_by_label("Way", exact=True).select_option("False"))
NO_EXAMINEES = (fill("Examinees", "20001"), fill("Seed", ""))
NO_ROUNDS = (fill("Events", "0"), fill("In one commit", ""), fill("Rounds", "6"))
NO_NUMBERS = (fill("Users", "0"), fill("Scores each", ""), fill("Repeats", "900"))
FETCH_USER = press("Fetch user")
ALL_DEAD = "status=dead&all=1"


A_RUN = (fill("Users", "20"), fill("Repeats", "2"), press("Run"), see("Address of this run"))
ANOTHER_RUN = (fill("Users", "30"), press("Run"), see("users = 30"))


async def choose_another(page: Page) -> None:
    await page.get_by_role("radio", name="As A").nth(1).check()


COMPARED = (follow("Compare with another run"), choose_another, press("Compare A with B"), see("Two runs side by side"))


def admin(name: str, pattern: str, path: str, *steps: Step, site: str = "full", status: int = HTTPStatus.OK) -> State:
    return State(f"admin-{name}", f"admin:{pattern}", f"/admin/{path}", steps, site, status)


async def open_first_row(page: Page) -> None:
    await page.locator("tbody").get_by_role("link").first.click()


async def type_something_new(page: Page) -> None:
    await page.get_by_label("Education", exact=True).fill(f"Course {time.time_ns()}")


async def open_new_user(page: Page) -> None:
    """The form of somebody who was not there before."""
    await page.goto(page.url.partition("/admin/")[0] + "/admin/users/new")
    await page.get_by_label("Name", exact=True).fill("Somebody New")
    await page.get_by_label("Email", exact=True).fill(f"new{time.time_ns()}@example.com")
    await press("Create")(page)
    await follow("Edit…")(page)


def meanwhile(*steps: Step) -> Step:
    """In another window, at the page that is open in this one."""

    async def step(page: Page) -> None:
        other = await page.context.new_page()
        await other.goto(page.url)
        for one in steps:
            await one(other)
        await other.close()

    return step


PHRASE = "correct horse battery staple"
ONE_EMAIL = "one@example.com"  # of several states; nobody has it


def account(
    name: str, pattern: str, *steps: Step, path: str = "", status: int = HTTPStatus.OK, site: str = "lab"
) -> State:
    """A page that anybody may see."""
    return State(f"account-{name}", f"accounts:{pattern}", f"/accounts/{path or pattern}", steps, site, status)


def own(name: str, pattern: str, *steps: Step, path: str = "", status: int = HTTPStatus.OK) -> State:
    """A page of somebody who has just signed up."""
    steps = (sign_up_anew, *steps)
    return State(
        f"own-{name}",
        f"accounts:{pattern}",
        f"/accounts/sign-up?next=/accounts/{path or pattern}",
        steps,
        status=status,
    )


def sitting(name: str, pattern: str, *steps: Step, path: str = "", status: int = HTTPStatus.OK) -> State:
    """A page of the test, as somebody sees it who has just signed up."""
    address = f"/accounts/sign-up?next=/assess/{path}"
    return State(f"test-{name}", f"assessments:{pattern}", address, (sign_up_anew, *steps), status=status)


def result(name: str, path: str, *steps: Step) -> State:
    """A score's page, as its owner sees it."""
    enter = (fill("Email", OWNER), fill("Password", OWNERS_PASSWORD), press("Sign in"), *steps)
    return State(
        f"result{name}",
        "assessments:result" if name != "s" else "assessments:overview",
        f"/accounts/sign-in?next=/assess/{path}",
        enter,
        "full",
    )


async def sign_up_as(page: Page, email: str) -> None:
    for label, value in (("Name", "Ada Lovelace"), ("Email", email)):
        await fill(label, value)(page)
    for label in ("Password", "Password again"):
        await fill(label, PHRASE)(page)
    await press("Sign up")(page)


async def sign_up_anew(page: Page) -> None:
    """The next page of `?next=` is open then."""
    await sign_up_as(page, f"ada{time.time_ns()}@example.com")
    await expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


async def sign_up_twice(page: Page) -> None:
    form, email = page.url, f"ada{time.time_ns()}@example.com"
    await sign_up_as(page, email)
    await press("Sign out")(page)
    await see("You are signed out.")(page)
    await page.goto(form)
    await sign_up_as(page, email)
    await see("This address is taken.")(page)


async def sign_in_wrongly(page: Page) -> None:
    await fill("Email", ONE_EMAIL)(page)
    await fill("Password", "not it")(page)
    await press("Sign in")(page)


async def guess_on(page: Page) -> None:
    """Until it is too often."""
    while not await page.get_by_text("That was too often").count():
        await sign_in_wrongly(page)
        await page.get_by_role("alert").or_(page.get_by_text("That was too often")).first.wait_for()


async def ask_for_mail(page: Page) -> None:
    await fill("Email", f"nobody{time.time_ns()}@example.com")(page)
    await press("Send the mail")(page)


async def say_what_one_does(page: Page) -> None:
    await page.goto(urljoin(page.url, "/accounts/edit"))
    await fill("Occupation", "29-1141")(page)
    await press("Save")(page)


CHANGED = (fill("Name", "Somebody Else"), press("Save"), see("Your profile is changed."))

EDIT = (open_first_row, follow("Edit…"))
SAVE = (type_something_new, press("Save"), see("The change is stored."))

STATES = [
    State("introduction", "home", "/"),
    State("introduction-down", "home", "/", site="broken"),
    State("introduction-shared", "home", "/", site="shared"),
    State("first-page", "home", "/", (come_through_a_proxy, see("How ready are you")), site="full"),
    State("introduction-resumed", "home", "/lab/3", (follow("Introduction"), see("Go on with section 3"))),
    State(
        "introduction-answered", "home", "/lab/2", (*answer("1500"), follow("Introduction"), see("What you did so far"))
    ),
    State("introduction-keys", "home", "/", (press("Keys"), see("Show or hide these keys"))),
    State("search", "lab:search", "/lab/search"),
    State("search-found", "lab:search", "/lab/search?q=pool"),
    State("search-nothing", "lab:search", "/lab/search?q=nothing+like+this"),
    State("search-refused", "lab:search", f"/lab/search?q={'x' * 81}", status=UNPROCESSABLE),
    State(
        "search-too-often", "lab:search", "/lab/search", (search_too_often,), site="shared", status=TOO_MANY_REQUESTS
    ),
    State("glossary", "lab:glossary", "/lab/glossary"),
    State("checkpoint-right", "lab:pool", "/lab/2", (*answer("1500"), see("Right."))),
    State("checkpoint-wrong", "lab:pool", "/lab/2", (*answer("600"), see("Not so."))),
    State("checkpoint-refused", "lab:checkpoint", "/lab/2", (answer_nothing,), status=UNPROCESSABLE),
    State("1", "lab:models", "/lab/1"),
    State("1-unfolded", "lab:models", "/lab/1", (unfold_all,)),
    State("1-empty", "lab:models", "/lab/1", site="empty"),
    State(
        "1-created",
        "lab:models",
        "/lab/1",
        (fill("Email", "states@example.com"), fill("Name", "Stated User"), press("Create user")),
    ),
    State(
        "1-refused",
        "lab:models",
        "/lab/1",
        (fill("Email", "not an address"), press("Create user")),
        status=UNPROCESSABLE,
    ),
    State("1-duplicate", "lab:models", "/lab/1", (press("Store their address again"), see("ix_users_email"))),
    State(
        "1-orphan", "lab:models", "/lab/1", (press("Store a score of nobody"), see("Refused: there is no such user"))
    ),
    State("1-would-go", "lab:models", "/lab/1", (press("Count what would go"), see("Nothing was deleted."))),
    State("1-nobody", "lab:models", "/lab/1", (press("Count what would go"),), site="empty", status=UNPROCESSABLE),
    State(
        "1-deleted", "lab:models", "/lab/1", (*FEW_SCORES, press("Run"), see("The session deletes", within=40), reload)
    ),
    State("1-no-scores", "lab:models", "/lab/1", (*NO_SCORES, press("Run"), see("Enter a whole number from 1 to 5."))),
    State("1-shared", "lab:models", "/lab/1", site="shared"),
    State("2", "lab:pool", "/lab/2"),
    State("2-swept", "lab:pool", "/lab/2", (*SWEPT, reload)),
    State("2-what-if", "lab:run", "/lab/2", (*SWEPT, follow("Address of this run"), work_longer, see("As measured"))),
    State("2-refused", "lab:pool", "/lab/2", (*EMPTY_FIELDS, press("Run"), see("Enter a whole number from 1 to 64."))),
    State("2-await", "lab:pool", "/lab/2", (press("Run both"),)),
    State("2-confirm", "lab:reset", "/lab/2/reset"),
    State("2-confirm-empty", "lab:reset", "/lab/2/reset", site="empty"),
    State(
        "2-initialised",
        "lab:pool",
        "/lab/2/reset",
        (press("Delete this and create the sample users"), see("The sample users are there")),
    ),
    State("2-shared", "lab:pool", "/lab/2", site="shared"),
    State("2-not-owned", "lab:reset", "/lab/2/reset", site="shared", status=HTTPStatus.FORBIDDEN),
    State("3", "lab:queries", "/lab/3"),
    State("3-empty", "lab:queries", "/lab/3", site="empty"),
    State("3-scores", "lab:queries", "/lab/3", (press("Add three sample scores"), see("Three scores for"))),
    State("3-fetched", "lab:queries", "/lab/3", (press("Fetch lazily"),)),
    State(
        "3-not-of-the-lab",
        "lab:queries",
        "/lab/3",
        (fill("or another user's id", "somebody"), press("Fetch eagerly"), see("its own users alone")),
        site="shared",
        status=UNPROCESSABLE,
    ),
    State("3-no-user", "lab:queries", "/lab/3", (press("Fetch eagerly"),), site="empty", status=UNPROCESSABLE),
    State("3-measured", "lab:queries", "/lab/3", (*FEW, press("Run"), see("Four ways, the same rows"), reload)),
    State("3-what-if", "lab:run", "/lab/3", (*A_RUN, follow("Address of this run"), ask_what_if, see("further away"))),
    State("3-refused", "lab:start", "/lab/3", (*NO_NUMBERS, press("Run"), see("Enter a whole number"))),
    State("3-log", "lab:queries", "/lab/3", (open_log,)),
    State("3-explained", "lab:queries", "/lab/3", (open_log, explain_first, see("each parameter"))),
    State("explain", "lab:explain", "/", (open_log, explain_first, see("How the database would answer"))),
    State("explain-refused", "lab:explain", "/lab/explain?statement=changed", status=HTTPStatus.BAD_REQUEST),
    State("source", "lab:source", "/lab/source/outbox/relay.py"),
    State("source-elsewhere", "lab:source", "/lab/source/manage.py", status=HTTPStatus.NOT_FOUND),
    State("4", "lab:cache", "/lab/4"),
    State("4-fetched", "lab:cache", "/lab/4", (FETCH_USER,)),
    State("4-score", "lab:cache", "/lab/4", (press("Fetch latest score"),)),
    State("4-many", "lab:cache", "/lab/4", (press("Fetch 500 times"), see("500 fetches over"))),
    State("4-updated", "lab:cache", "/lab/4", (press("Update user"),)),
    State("4-forgotten", "lab:cache", "/lab/4", (press("Forget to invalidate"), see("A stale read"))),
    State("4-mended", "lab:cache", "/lab/4", (press("Forget to invalidate"), press("Invalidate now"))),
    State("4-what-if", "lab:cache", "/lab/4?ratio=0.6&t_cache=2&t_database=5", (see("These values are yours"),)),
    State("4-nothing-drawn", "lab:cache", "/lab/4?ratio=2&t_cache=&t_database=0", status=UNPROCESSABLE),
    State("4-compared", "lab:cache", "/lab/4", (*FEW_EACH, press("Run"), see("Hit ratio alone", within=40))),
    State("4-refused", "lab:cache", "/lab/4", (*NO_EACH, press("Run"), see("Enter a whole number from 10 to 200."))),
    State("4-invalidated", "lab:cache", "/lab/4", (press("Invalidate"),)),
    State("4-reset", "lab:cache", "/lab/4", (press("Reset counters"),)),
    State("4-emulated", "lab:cache", "/lab/4", site="empty"),
    State("4-down", "lab:cache", "/lab/4", site="broken"),
    State("5", "lab:outbox", "/lab/5"),
    State("5-stored", "lab:outbox", "/lab/5", (press("Calculate and store"), see("Stored together"))),
    State("5-refused", "lab:outbox", "/lab/5", (*NO_ABILITY, press("Calculate and store")), status=UNPROCESSABLE),
    State("5-stopped", "lab:outbox", "/lab/5", (press("Stop the publisher"), see("Stopped: each relay ends"))),
    State("5-started", "lab:outbox", "/lab/5", (press("Start the publisher"), see("Started, with"))),
    State("5-before-commit", "lab:outbox", "/lab/5", (press("Crash before commit"), see("What it had sent"))),
    State("5-after-publish", "lab:outbox", "/lab/5", (press("Crash after publish"), see("The life of"))),
    State("5-no-crash", "lab:outbox", "/lab/5", (press("Crash after publish"),), site="broken", status=UNAVAILABLE),
    State("5-measured", "lab:outbox", "/lab/5", (*ONE_ROUND, press("Run"), see("What the last drain sent", within=40))),
    State("5-no-rounds", "lab:outbox", "/lab/5", (*NO_ROUNDS, press("Run"), see("Enter a whole number from 1 to 5"))),
    State("5-emulated", "lab:outbox", "/lab/5", site="empty"),
    State("5-down", "lab:outbox", "/lab/5", site="broken"),
    State("5-shared", "lab:outbox", "/lab/5", site="shared"),
    State("5-event", "lab:event", "/lab/5", (press("Calculate and store"), follow("See what became of the event"))),
    State("test", "lab:test", "/lab/test"),
    State(
        "test-measured",
        "lab:test",
        "/lab/test",
        (*SOME_EXAMINEES, press("Run"), see("Estimate by estimate", within=40), reload),
    ),
    State(
        "test-served",
        "lab:run",
        "/lab/test",
        (*SERVED, press("Run"), see("answers went through the services", within=60), follow("Address of this run")),
    ),
    State(
        "test-refused",
        "lab:test",
        "/lab/test",
        (*NO_EXAMINEES, press("Run"), see("Enter a whole number from 20 to 20000.")),
    ),
    State("runs-empty", "lab:runs", "/lab/runs/", site="empty"),
    State("run", "lab:run", "/lab/3", (*A_RUN, follow("Address of this run"))),
    State("run-refused", "lab:start", "/lab/3", (fill("Users", "0"), press("Run"), see("Enter a whole number"))),
    State(
        "run-cancelled", "lab:run", "/lab/3", (fill("Users", "500"), press("Run"), press("Cancel"), see("Cancelled."))
    ),
    State("runs", "lab:runs", "/lab/3", (*A_RUN, follow("Compare with another run"))),
    State("compare", "lab:compare-runs", "/lab/3", (*A_RUN, *ANOTHER_RUN, *COMPARED)),
    State("compare-none", "lab:compare-runs", "/lab/compare", status=UNPROCESSABLE),
    admin("index", "index", ""),
    admin("index-empty", "index", "", site="empty"),
    State("admin", "admin:index", "/admin/"),
    admin("users", "list", "users"),
    admin("users-sorted", "list", "users?sort=-name&q=a"),
    admin("users-last", "list", "users?last=1"),
    admin("users-none", "list", "users?q=nobody+has+this+name"),
    admin("users-empty", "list", "users", site="empty"),
    admin("users-refused", "list", "users?after=nonsense&sort=nothing", status=UNPROCESSABLE),
    admin("assessments", "list", "assessments"),
    admin("scores", "list", "scores"),
    admin("events", "list", "events"),
    admin("events-dead", "list", "events?status=dead"),
    admin("user", "detail", "users", open_first_row),
    admin("assessment", "detail", "assessments", open_first_row),
    admin("score", "detail", "scores", open_first_row),
    admin("event", "detail", "events?status=dead", open_first_row),
    admin("runs", "list", "runs"),
    admin("runs-failed", "list", "runs?status=failed&experiment=queries"),
    admin("runs-empty", "list", "runs", site="empty"),
    admin("run", "detail", "runs?status=failed", open_first_row),
    admin("audit", "list", "audit"),
    admin("audit-of-a-list", "list", "audit?list_name=users&action=export&q=nothing"),
    admin("audit-empty", "list", "audit", site="empty"),
    admin("audit-refused", "list", "audit?list_name=elephants", status=UNPROCESSABLE),
    admin(
        "changes", "detail", "users", *EDIT, *SAVE, follow("Changes of this row"), open_first_row, see("What changed")
    ),
    admin("export", "detail", "audit?action=export", open_first_row),
    admin("nobody", "detail", "users/nobody", status=HTTPStatus.NOT_FOUND),
    admin("redrive", "action", f"events/redrive?{ALL_DEAD}"),
    admin("nothing", "action", "events/replay", status=UNPROCESSABLE),
    admin("discard-refused", "action", f"events/discard?{ALL_DEAD}", agree_to("Discard"), status=UNPROCESSABLE),
    admin("user-new", "new", "users/new"),
    admin("user-new-refused", "new", "users/new", press("Create"), status=UNPROCESSABLE),
    admin("user-edit", "edit", "users", *EDIT),
    admin("user-edit-refused", "edit", "users", *EDIT, fill("Email", "no"), press("Save"), status=UNPROCESSABLE),
    admin("user-saved", "detail", "users", *EDIT, *SAVE),
    admin("user-undo", "edit", "users", *EDIT, *SAVE, follow("Undo"), see("After saving")),
    admin(
        "user-conflict",
        "edit",
        "users",
        *EDIT,
        meanwhile(*SAVE),
        type_something_new,
        press("Save"),
        see("Changed meanwhile"),
        status=HTTPStatus.CONFLICT,
    ),
    admin(
        "user-gone",
        "edit",
        "users",
        open_new_user,
        meanwhile(follow("Somebody New"), follow("Delete…"), press("Delete 1 user"), see("1 user is deleted.")),
        press("Save"),
        see("Deleted meanwhile"),
        status=HTTPStatus.CONFLICT,
    ),
    admin(
        "user-deleted",
        "list",
        "users",
        open_new_user,
        follow("Somebody New"),
        follow("Delete…"),
        press("Delete 1 user"),
        see("1 user is deleted."),
    ),
    admin("user-delete", "action", "users", open_first_row, follow("Delete…"), see("With it go")),
    admin("users-delete", "action", "users/delete?all=1"),
    admin("assessment-edit", "edit", "assessments", *EDIT),
    State("admin-closed", "accounts:sign-in", "/admin/", (come_through_a_proxy,), site="full"),
    State(
        "admin-refused",
        "admin:index",
        "/accounts/sign-up?next=/admin/",
        (sign_up_anew, see("This page is for staff")),
        status=HTTPStatus.FORBIDDEN,
    ),
    account("sign-in", "sign-in"),
    account("sign-in-for-a-page", "sign-in", path="sign-in?next=/accounts/edit"),
    account("sign-in-empty", "sign-in", press("Sign in"), status=UNPROCESSABLE),
    account("sign-in-wrong", "sign-in", sign_in_wrongly, status=UNPROCESSABLE),
    account("sign-in-too-often", "sign-in", guess_on, status=TOO_MANY_REQUESTS, site="shared"),
    account("signed-out", "sign-in", path="sign-in?done=out"),
    account("sign-up", "sign-up"),
    account("sign-up-empty", "sign-up", press("Sign up"), status=UNPROCESSABLE),
    account("sign-up-taken", "sign-up", sign_up_twice, status=UNPROCESSABLE),
    account("operator", "profile"),
    account("reset", "reset"),
    account("reset-sent", "reset-sent", ask_for_mail, path="reset"),
    account("reset-not-sent", "reset", ask_for_mail, status=UNAVAILABLE, site="broken"),
    account("reset-set", "sign-in", path="sign-in?done=reset"),
    account("link-over", "reset-new", path="reset/new", status=HTTPStatus.NOT_FOUND),
    account("gone", "gone"),
    own("profile", "profile"),
    own("signed-up", "profile", path="profile?done=up"),
    own("edit", "edit"),
    own("edit-refused", "edit", fill("Email", "no"), press("Save"), status=UNPROCESSABLE),
    own(
        "edit-conflict",
        "edit",
        meanwhile(*CHANGED),
        fill("Education", "PhD"),
        press("Save"),
        see("Your profile was changed meanwhile"),
        status=HTTPStatus.CONFLICT,
    ),
    own("password", "password"),
    own("password-refused", "password", press("Change password"), status=UNPROCESSABLE),
    own("delete", "delete"),
    own("delete-refused", "delete", press("Delete my account"), status=UNPROCESSABLE),
    sitting("overview", "overview", see("None yet.")),
    sitting(
        "overview-open",
        "overview",
        taking.begin,
        taking.answer,
        follow("Save and leave"),
        see("1 question is answered"),
    ),
    sitting("begin", "begin", path="begin"),
    sitting("begin-unfolded", "begin", unfold_all, path="begin"),
    sitting(
        "begin-proposed",
        "begin",
        say_what_one_does,
        follow("Your test"),
        follow("Begin the test"),
        see("From your profile"),
    ),
    sitting("begin-found", "begin", path="begin?q=nurse"),
    sitting("begin-nothing-found", "begin", path="begin?q=zzz"),
    sitting("begin-refused", "begin", press("Begin the test"), path="begin?q=manager", status=UNPROCESSABLE),
    sitting("one-of", "sitting", taking.begin, taking.until(taking.ONE_OF)),
    sitting("several", "sitting", taking.begin, taking.until(taking.SEVERAL)),
    sitting("places", "sitting", taking.begin, taking.until(taking.PLACES)),
    sitting("number", "sitting", taking.begin, taking.until(taking.NUMBER)),
    sitting("one-of-refused", "answer", taking.begin, taking.until(taking.ONE_OF), taking.send, status=UNPROCESSABLE),
    sitting("several-refused", "answer", taking.begin, taking.until(taking.SEVERAL), taking.send, status=UNPROCESSABLE),
    sitting("places-refused", "answer", taking.begin, taking.until(taking.PLACES), taking.send, status=UNPROCESSABLE),
    sitting("number-refused", "answer", taking.begin, taking.until(taking.NUMBER), taking.send, status=UNPROCESSABLE),
    sitting(
        "answered",
        "answer",
        taking.begin,
        taking.answer_in_another_tab,
        lambda page: taking.answer(page, turn=1),
        see("This question is answered already"),
        status=HTTPStatus.CONFLICT,
    ),
    sitting(
        "ended-meanwhile",
        "answer",
        taking.begin,
        taking.end_in_another_tab,
        taking.answer,
        see("What you sent just now was not recorded."),
        status=HTTPStatus.CONFLICT,
    ),
    sitting(
        "not-asked", "answer", taking.begin, taking.forget_which_question, taking.answer, status=HTTPStatus.BAD_REQUEST
    ),
    sitting("abandon", "abandon", taking.begin, taking.ask_whether_to_end, see("End this test without a score?")),
    sitting(
        "ended", "sitting", taking.begin, taking.ask_whether_to_end, press("End this test"), see("This test has ended")
    ),
    sitting("missing", "sitting", path="nobody", status=HTTPStatus.NOT_FOUND),
    result("s", "", see("Take the test again")),
    result("", "", open_first_row, see("What to practise")),
    result("-unfolded", "", open_first_row, see("What to practise"), unfold_all),
    result("-given", "results/given", see("were given, not tested")),
    result("-of-a-later-formula", "results/later", see("a formula that this release does not know")),
    result("-of-another-bank", "results/of-another-bank", see("do not stand in this release")),
    result("-changed", "results/changed", see("came out differently")),
    State("400", "home", TOO_MANY_FIELDS, status=HTTPStatus.BAD_REQUEST),
    State("403", "lab:cache", "/lab/4", (forget_cookies, FETCH_USER), status=HTTPStatus.FORBIDDEN),
    State("404", "home", "/nowhere", status=HTTPStatus.NOT_FOUND),
    State("500", "lab:models", "/lab/1?run=any", site="broken", status=HTTPStatus.INTERNAL_SERVER_ERROR),
]
