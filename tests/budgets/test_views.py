"""Each address sends the statements that its budget names, however many rows there are; one without a budget fails."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from qulab.admin.urls import _LIST
from qulab.db.probe import Probe, probe

from .accounts import ACCOUNTS, somebody_for
from .assessing import ASSESSING, taker_for
from .conftest import Project
from .statements import told
from .table import BUDGETS as OTHERS
from .table import MOST_OF_A_LIST, Case

BUDGETS = OTHERS | ACCOUNTS | ASSESSING


@pytest.fixture(autouse=True)
def fast(settings: Any) -> None:
    """What is counted here is statements."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """Every address of the project as its pattern is written, but in plain words where a group has one value."""
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern).removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield re.sub(r"\(\?P<\w+>(\w+)\)", r"\1", route.replace(f"(?P<name>{_LIST})", "LIST"))


def name_of(case: Case) -> str:
    """For the report: what is sent, and how it ends where it is refused."""
    address = f"{case.first[0]} → result" if case.first else case.address
    refused = f" {case.status}" if case.status >= 400 else ""
    return f"{case.method} {address}{refused}"


async def meet(project: Project, route: str) -> None:
    """Whoever a page of one's own needs."""
    if route in ACCOUNTS:
        await somebody_for(project, route)
    elif route in ASSESSING:
        await taker_for(project)


async def ask(project: Project, case: Case) -> Probe:
    """Send the request; the statements that its view sent."""
    address = case.address
    await project.end_runs()
    if case.first:
        address = (await send(project, "POST", *case.first, status=302))["Location"]
    await project.forget_what_was_read()
    with probe(project.database.engine) as opened:
        await send(project, case.method, address, case.fields, status=case.status)
    return opened


async def send(project: Project, method: str, address: str, fields: dict[str, str], *, status: int) -> Any:
    filled = {name: value.format(**project.keys) for name, value in fields.items()}
    request = project.client.post if method == "POST" else project.client.get
    answer = await request(address.format(**project.keys), filled)
    assert answer.status_code == status, answer.content.decode()
    if answer.streaming and method == "POST":  # a file: it is read while it is written
        await collect(answer)
    return answer


async def collect(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


class TestEveryAddress:
    def test_has_a_budget(self) -> None:
        assert set(BUDGETS) == set(routes(get_resolver()))

    @pytest.mark.parametrize("route", BUDGETS, ids=lambda route: f"/{route}")
    async def test_sends_what_its_budget_says_with_ten_rows_and_with_a_hundred(
        self, project: Project, route: str
    ) -> None:
        for rows in (10, 100):
            await project.grow_to(rows)
            for case in BUDGETS[route]:
                await meet(project, route)
                sent = await ask(project, case)

                budget = case.statements
                budget += case.more_on_postgresql * (project.database.dialect == "postgresql")
                budget += case.more_with_a_hundred * (rows == 100)
                assert sent.count == budget, f"{name_of(case)} with {rows} rows:\n{told(sent)}"

    @pytest.mark.parametrize("route", BUDGETS, ids=lambda route: f"/{route}")
    async def test_that_has_no_budget_for_a_form_takes_none(self, project: Project, route: str) -> None:
        if any(case.method == "POST" for case in BUDGETS[route]):
            return
        await project.grow_to(1)
        await meet(project, route)

        answer = await project.client.post(BUDGETS[route][0].address.format(**project.keys))

        assert answer.status_code == 405

    def test_that_lists_rows_sends_three_statements_at_most(self) -> None:
        lists = [case for cases in BUDGETS.values() for case in cases if case.lists]

        assert max(case.statements for case in lists) <= MOST_OF_A_LIST
        assert all(not case.more_with_a_hundred for case in lists)
