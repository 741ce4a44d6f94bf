"""The lab off, for staff, or open: who may not use it finds no trace of it on any page."""

import re
from typing import Any

import pytest
from django.test import AsyncClient

from qulab.db.engine import Database
from qulab.lab.models import Run
from tests.access.people import signed_in

from .conftest import Lab, text_of

LAB = [
    "/lab/1",
    "/lab/5/tables",
    "/lab/search",
    "/lab/glossary",
    "/lab/runs/",
    "/lab/explain",
    "/lab/state",
    "/live?topics=pool",
]
ELSEWHERE = [
    "/",
    "/nowhere",
    "/accounts/sign-in",
    "/accounts/sign-up",
    "/admin/",
    "/admin/users",
    "/admin/events",
    "/admin/runs",
    "/accounts/",
]
TRACE = re.compile(
    r'(?:href|action|formaction)="/(?:lab|live)[^"]*"|Statements of this page|Run the experiment|section 2'
)


@pytest.fixture
async def visitor(lab: Lab, settings: Any, async_client: AsyncClient) -> AsyncClient:
    """Somebody who comes over the network."""
    settings.LOCAL_OPERATOR = settings.LAB_OWNS_DATABASE = False
    return async_client


async def statuses(client: AsyncClient, *addresses: str) -> set[int]:
    return {(await client.get(address)).status_code for address in addresses}


async def traces(client: AsyncClient) -> list[str]:
    """What speaks of the lab on pages that are not the lab's."""
    return [
        f"{path}: {one}" for path in ELSEWHERE for one in TRACE.findall(text_of(await client.get(path, follow=True)))
    ]


class TestOff:
    @pytest.fixture(autouse=True)
    def off(self, visitor: AsyncClient, settings: Any) -> None:
        settings.LAB = "off"

    async def test_no_address_of_it_is_there_for_anybody(
        self, visitor: AsyncClient, database: Database, settings: Any
    ) -> None:
        assert await statuses(visitor, *LAB) == {404}
        await signed_in(visitor, database, is_staff=True)
        assert await statuses(visitor, *LAB) == {404}
        visitor.cookies.clear()
        settings.LOCAL_OPERATOR = True
        assert await statuses(visitor, *LAB) == {404}

    async def test_no_page_speaks_of_it(self, visitor: AsyncClient, settings: Any) -> None:
        assert await traces(visitor) == []
        settings.LOCAL_OPERATOR = True
        assert await traces(visitor) == []

    async def test_no_page_for_staff_leads_there(self, visitor: AsyncClient, database: Database, settings: Any) -> None:
        async with database.writing() as session:
            run = Run(experiment="queries", visitor="somebody")
            session.add(run)
            await session.commit()
        await signed_in(visitor, database, is_staff=True)

        page = await visitor.get(f"/admin/runs/{run.id}")
        assert page.status_code == 200
        assert TRACE.findall(text_of(page)) == await traces(visitor) == []

        settings.LAB = "staff"
        assert f'href="/lab/runs/{run.id}"' in text_of(await visitor.get(f"/admin/runs/{run.id}"))

    async def test_the_first_page_is_the_platforms(self, visitor: AsyncClient, database: Database) -> None:
        anonymous = text_of(await visitor.get("/"))
        person = await signed_in(visitor, database)
        signed = text_of(await visitor.get("/"))

        assert "How ready are you to work with AI?" in anonymous
        assert 'href="/accounts/sign-up?next=/assess/">Sign up' in anonymous.partition("<main")[2]
        assert 'href="/assess/">To the test' in signed
        assert "To your profile" in signed
        assert person.name in signed

    async def test_what_operators_ask_stays(self, visitor: AsyncClient) -> None:
        assert await statuses(visitor, "/healthz", "/metrics") <= {200, 403}
        assert (await visitor.get("/readyz")).status_code in {200, 503}


class TestForStaff:
    @pytest.fixture(autouse=True)
    def for_staff(self, visitor: AsyncClient, settings: Any) -> None:
        settings.LAB = "staff"

    async def test_others_are_led_to_the_sign_in_or_refused(self, visitor: AsyncClient, database: Database) -> None:
        assert await statuses(visitor, *LAB) == {302}
        assert await traces(visitor) == []

        await signed_in(visitor, database)

        assert await statuses(visitor, *LAB) == {403}
        assert await traces(visitor) == []
        assert TRACE.findall(text_of(await visitor.get("/lab/1"))) == []

    async def test_staff_find_it_on_each_page(self, visitor: AsyncClient, database: Database) -> None:
        await signed_in(visitor, database, is_staff=True)

        page = text_of(await visitor.get("/"))

        assert await statuses(visitor, "/lab/1", "/lab/search", "/lab/runs/") == {200}
        assert 'href="/lab/1"' in page
        assert "It is for staff, who sign in." in page
        assert await traces(visitor)  # or nothing would be found anywhere


class TestOpen:
    @pytest.mark.parametrize(
        ("owned", "words"), [(True, "owns its database"), (False, "shares its database with people")]
    )
    async def test_the_introduction_says_what_kind_of_lab_it_is(
        self, visitor: AsyncClient, settings: Any, owned: bool, words: str
    ) -> None:
        settings.LAB_OWNS_DATABASE = owned

        page = text_of(await visitor.get("/"))

        assert words in page
        assert "open to everybody who reaches it" in page
