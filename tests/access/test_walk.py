"""Every address of the project, walked by everybody: who is let in, who is led to the sign-in, who is refused.

What an address is for is written down here a second time, and not asked of the marks in the code. The addresses, with
forms that would change something, are those of the budgets, which know all there are. Printed as a table under -s.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.test import AsyncClient
from sqlalchemy import text

from qulab.db.engine import Database
from tests.access.people import account, sign_client_in, signed_in
from tests.assessments.taking import Taker
from tests.budgets.accounts import ACCOUNTS
from tests.budgets.assessing import ASSESSING
from tests.budgets.conftest import Project, project
from tests.budgets.table import BUDGETS, Case
from tests.conftest import TABLES

__all__ = ["project"]  # a fixture

ANYONE, OWN, STAFF, LAB = "anyone", "one's own", "staff", "lab"
WHO = ["anonymous", "person", "another person", "staff", "operator"]
PROFILE = "profile"  # the operator is told there that they have none
OF_ONES_OWN = {"sign-out", "edit", "password", "elsewhere", "delete", "export.json"}
ROUTES = BUDGETS | ACCOUNTS | ASSESSING
LET_IN = {
    ANYONE: set(WHO),
    OWN: {"person", "another person", "staff"},
    PROFILE: {"person", "another person", "staff", "operator"},
    STAFF: {"staff", "operator"},
}
LABS = {"open": LET_IN[ANYONE], "staff": LET_IN[STAFF], "off": set[str]()}


def audience(route: str) -> str:
    """Whom the design means a route for."""
    first, _, rest = route.partition("/")
    match first:
        case "admin":
            return STAFF
        case "lab" | "live":
            return LAB
        case "assess":
            return OWN
        case "accounts" if rest.partition("/")[0] in OF_ONES_OWN:
            return OWN
        case "accounts" if rest == PROFILE:
            return PROFILE
        case "" | "accounts" | "healthz" | "readyz" | "metrics":
            return ANYONE
    raise AssertionError(f"nobody said whom {route!r} is for")


def verdict(answer: Any) -> str:
    if answer.status_code == 302 and answer["Location"].startswith("/accounts/sign-in"):
        return "sign in"
    if answer.status_code == 403 and b"This page is for staff" in answer.content:
        return "refused"
    if answer.status_code == 404 and b"There is nothing at this address" in answer.content:
        return "not there"
    assert answer.status_code < 500 or answer.status_code == 503, answer.content[:2000]
    return "let in"


def turned_away(who: str, meant_for: str, lab: str) -> str:
    """How somebody is told who is not let in."""
    if meant_for == LAB and lab == "off":
        return "not there"
    return "refused" if who in {"person", "another person"} else "sign in"


async def rows(database: Database) -> dict[str, Any]:
    """All that is stored, to see that nothing of it changed."""
    async with database.reading() as session:
        return {
            name: Counter(map(str, await session.execute(text(f"SELECT * FROM {name}"))))
            for name in [*TABLES, "credentials", "outbox_partitions"]
        }


Ask = Callable[[Case], Awaitable[Any]]


async def a_test_of_somebody(project: Project) -> dict[str, str]:
    """Under way; none of those who walk has it."""
    taker = AsyncClient()
    await signed_in(taker, project.database)
    asked = await Taker(taker).begin()
    return {"sitting": asked.sitting_id, "question": asked.question, "own_score": "nobody"}


@pytest.fixture
async def ask(project: Project, who: str, settings: Any) -> Ask:
    """One request after another, by one of them, over the network."""
    await project.grow_to(3)
    project.keys |= {"email": "nobody@example.com", "link": "/accounts/reset/nobody/of-no-use"}
    project.keys |= await a_test_of_somebody(project)
    client = AsyncClient()
    settings.LOCAL_OPERATOR = who == "operator"
    if who not in {"anonymous", "operator"}:
        someone = await account(project.database, is_staff=who == "staff", name=who.title())
        await sign_client_in(client, someone)

    async def send(case: Case) -> Any:
        filled = {name: value.format(**project.keys) for name, value in case.fields.items()}
        method = client.post if case.method == "POST" else client.get
        return await method((case.address or "/").format(**project.keys), filled)

    return send


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("lab", LABS)
async def test_everybody_is_let_in_where_it_is_for_them_and_nowhere_else(
    project: Project, ask: Ask, who: str, lab: str, settings: Any
) -> None:
    settings.LAB = lab
    before = await rows(project.database)
    found, expected = {}, {}

    for route, meant_for in ((route, audience(route)) for route in ROUTES):
        if lab != "open" and meant_for != LAB:
            continue  # walked already
        let_in = who in (LABS[lab] if meant_for == LAB else LET_IN[meant_for])
        for case in ROUTES[route]:
            if not case.address or (let_in and (case.method == "POST" or meant_for == OWN)):
                continue  # what it does to whom it lets in is tested where it belongs
            name = f"{meant_for:8} {case.method:4} {case.address} {case.fields or ''}"
            answer = await ask(case)
            found[name] = "let in" if let_in and answer.status_code == case.status else verdict(answer)
            expected[name] = "let in" if let_in else turned_away(who, meant_for, lab)

    assert found == expected
    assert await rows(project.database) == before
    print(f"\n{who}, lab {lab}: {dict(Counter(found.values()))}")


def test_every_route_is_for_somebody() -> None:
    assert {audience(route) for route in ROUTES} == {ANYONE, OWN, PROFILE, STAFF, LAB}
