from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import AsyncClient
from django.urls import URLResolver, get_resolver, resolve, reverse

from qulab.access.needs import Need, need_of
from qulab.admin import urls
from qulab.admin.site import site
from tests.admin.conftest import Desk

ADDRESSES = [
    reverse("admin:index"),
    *(reverse("admin:list", args=[admin.name]) for admin in site),
    *(reverse("admin:detail", args=[admin.name, "someone"]) for admin in site),
    *(reverse("admin:action", args=pair) for pair in site.actions()),
]


class TestEveryAddress:
    def test_is_for_staff(self) -> None:
        patterns = [one for one in get_resolver().url_patterns if isinstance(one, URLResolver)]
        (found,) = [one.url_patterns for one in patterns if one.app_name == urls.app_name]

        assert found
        assert {need_of(pattern.callback) for pattern in found} == {Need.STAFF}

    @pytest.mark.parametrize("address", ADDRESSES)
    @pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete", "options"])
    async def test_is_closed_to_everybody_else(
        self, desk: Desk, async_client: AsyncClient, settings: Any, address: str, method: str
    ) -> None:
        settings.LOCAL_OPERATOR = False

        answer = await getattr(async_client, method)(address)

        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/sign-in")

    @pytest.mark.parametrize("address", [one for one in ADDRESSES if "someone" not in one])
    async def test_is_kept_by_nobody(self, desk: Desk, address: str) -> None:
        page = await desk.get(address.removeprefix("/admin/"))

        assert "no-store" in page.response["Cache-Control"]

    @pytest.mark.parametrize("address", ADDRESSES)
    def test_leads_to_the_admin(self, address: str) -> None:
        assert resolve(address).app_name == urls.app_name


class TestSidebar:
    async def test_leads_the_operator_to_the_data(self, desk: Desk, async_client: AsyncClient) -> None:
        page = await async_client.get("/nowhere")

        assert 'href="/admin/"' in page.content.decode()

    async def test_leads_nobody_else_there(self, desk: Desk, async_client: AsyncClient) -> None:
        page = await async_client.get("/nowhere", headers={"x-forwarded-for": "192.0.2.1"})

        assert 'href="/admin/"' not in page.content.decode()

    @pytest.mark.parametrize("template", ["404.html", "500.html"])
    def test_error_pages_without_a_request_have_none(self, template: str) -> None:
        assert 'href="/admin/"' not in render_to_string(template)
