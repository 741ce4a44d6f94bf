from typing import Any

import pytest
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import AsyncClient, AsyncRequestFactory
from django.urls import URLResolver, get_resolver, resolve, reverse

from qulab.admin import urls
from qulab.admin.access import FORWARDING, is_open
from qulab.admin.site import site
from tests.admin.conftest import Desk

ADDRESSES = [
    reverse("admin:index"),
    *(reverse("admin:list", args=[admin.name]) for admin in site),
    *(reverse("admin:detail", args=[admin.name, "someone"]) for admin in site),
    *(reverse("admin:action", args=pair) for pair in site.actions()),
]


def request(peer: str | None = "127.0.0.1", host: str = "localhost:8000", path: str = "/admin/", **headers: str) -> Any:
    given = {"host": host, **headers}
    encoded = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in given.items()]
    return AsyncRequestFactory().request(client=[peer, 1] if peer else None, headers=encoded, path=path)


class TestIsOpen:
    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    @pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
    def test_on_this_machine(self, peer: str, host: str) -> None:
        assert is_open(request(peer, host))

    @pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.7", "::2", "::ffff:192.0.2.1", "unix:", "0.0.0.0", None])
    def test_not_for_another_machine(self, peer: str | None) -> None:
        assert not is_open(request(peer))

    @pytest.mark.parametrize(
        "host", ["example.com", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "", "["]
    )
    def test_not_under_another_name(self, host: str) -> None:
        assert not is_open(request(host=host))

    @pytest.mark.parametrize("header", FORWARDING)
    def test_not_through_a_proxy(self, header: str) -> None:
        assert not is_open(request(**{header.replace("-", "_"): "127.0.0.1"}))

    def test_not_without_a_request(self) -> None:
        assert not is_open(None)


class TestEveryAddress:
    def test_the_addresses_here_are_all_there_are(self) -> None:
        used = {resolve(address)._func_path + str(resolve(address).route) for address in ADDRESSES}

        patterns = [one for one in get_resolver().url_patterns if isinstance(one, URLResolver)]
        assert [one.url_patterns for one in patterns if one.app_name == urls.app_name] == [urls.urlpatterns]
        assert len(used) == len(urls.urlpatterns)

    @pytest.mark.parametrize("address", ADDRESSES)
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
    async def test_is_closed_from_elsewhere(self, address: str, method: str) -> None:
        # No database is lent to this request: a view that ran would fail.
        match = resolve(address)
        asked: HttpRequest = request("192.0.2.1", path=address)
        asked.method = method

        answer = await match.func(asked, *match.args, **match.kwargs)

        assert answer.status_code == 403
        assert "These pages are closed from here" in answer.content.decode()

    @pytest.mark.parametrize("address", [one for one in ADDRESSES if "someone" not in one])
    async def test_is_kept_by_nobody(self, desk: Desk, address: str) -> None:
        page = await desk.get(address.removeprefix("/admin/"))

        assert "no-store" in page.response["Cache-Control"]


class TestSidebar:
    async def test_leads_to_the_data_on_this_machine(self, desk: Desk, async_client: AsyncClient) -> None:
        page = await async_client.get("/nowhere")

        assert 'href="/admin/"' in page.content.decode()

    async def test_does_not_through_a_proxy(self, desk: Desk, async_client: AsyncClient) -> None:
        page = await async_client.get("/nowhere", headers={"x-forwarded-for": "192.0.2.1"})

        assert 'href="/admin/"' not in page.content.decode()

    @pytest.mark.parametrize("template", ["404.html", "500.html"])
    def test_error_pages_without_a_request_have_none(self, template: str) -> None:
        assert 'href="/admin/"' not in render_to_string(template)
