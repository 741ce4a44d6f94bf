"""Whoever gives an answer, it says the same: no code in the page, no frame, no guessing of types, no addresses told."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

from qulab import urls
from qulab.access.needs import Need, guarded
from qulab.lean.handler import LeanHandler
from tests.lean.asgi import Exchange


async def fails(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this view is broken")


async def leads_on(_request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/healthz")


async def streams(_request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield "data: 1\n\n"

    return StreamingHttpResponse(pieces(), content_type="text/event-stream")


urlpatterns = [
    *urls.urlpatterns,
    *guarded(Need.NOTHING, [path("fails", fails), path("leads-on", leads_on), path("streams", streams)]),
    path("unmarked", leads_on),
]

INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<style|\sstyle=|\son[a-z]+=|javascript:")
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
METHODS = {403: "POST", 405: "OPTIONS"}
ANSWERS = {  # what is asked for, and the status that proves who answered
    "page": ("/lab/glossary", 200),
    "view without a page": ("/healthz", 200),
    "redirect": ("/leads-on", 302),
    "stream": ("/streams", 200),
    "file": ("/static/qulab/css/tokens.css", 200),
    "bundle": ("/static/qulab/css/qulab.css", 200),
    "file that is not there": ("/static/nothing.css", 404),
    "not found": ("/nowhere", 404),
    "broken view": ("/fails", 500),
    "sign-in first": ("/admin/", 302),
    "method that is not allowed": ("/metrics", 405),
    "form without a token": ("/lab/forget", 403),
}


@pytest.fixture
def lean(settings: Any) -> LeanHandler:
    settings.ROOT_URLCONF = __name__
    settings.LOCAL_OPERATOR = False
    return LeanHandler()


def policy(answer: Exchange) -> dict[str, list[str]]:
    directives = (one.split() for one in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, *sources in directives}


def assert_guarded(answer: Exchange) -> None:
    assert EXPECTED.items() <= answer.headers.items()
    assert "camera=()" in answer.headers["permissions-policy"]
    directives = policy(answer)
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == directives["base-uri"] == ["'none'"]
    assert {source for listed in directives.values() for source in listed} == {"'none'", "'self'"}


class TestEveryAnswer:
    @pytest.mark.parametrize("kind", ANSWERS)
    async def test_is_guarded(self, lean: LeanHandler, kind: str) -> None:
        address, status = ANSWERS[kind]

        answer = await Exchange(address, method=METHODS.get(status, "GET")).with_(lean)

        assert answer.status == status
        assert_guarded(answer)
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"

    async def test_so_is_one_that_nobody_decided_about(self, lean: LeanHandler) -> None:
        answer = await Exchange("/unmarked").with_(lean)

        assert answer.status == 403
        assert_guarded(answer)

    async def test_a_page_has_no_code_and_no_style_in_it(self, lean: LeanHandler) -> None:
        for kind in ("page", "not found", "broken view", "form without a token"):
            address, status = ANSWERS[kind]
            answer = await Exchange(address, method=METHODS.get(status, "GET")).with_(lean)

            text = answer.body.decode()
            assert "<html" in text
            assert not INLINE.findall(text)


class TestHosts:
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "localhost.evil.example",
            "evil@localhost",
            "localhost:80@evil.example",
            "localhost:port",
            "localhost/evil",
            "localhost evil",
            "localhost,evil.example",
            "xn--lcalhost-ly3c",
            "[::1",
            "127.0.0.1:",
            "127.1",
            "0x7f000001",
            "0.0.0.0",
            "*",
            "",
        ],
    )
    @pytest.mark.parametrize("redirects", [False, True])
    async def test_one_that_is_not_ours_is_refused(self, settings: Any, host: str, redirects: bool) -> None:
        settings.SECURE_SSL_REDIRECT = redirects
        if redirects:
            settings.SECURE_HSTS_SECONDS = 3600

        answer = await Exchange("/lab/glossary", headers={"host": host}).with_(LeanHandler())

        assert answer.status == 400
        assert_guarded(answer)
        assert "evil" not in answer.body.decode()
        assert "evil" not in answer.headers.get("location", "")

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "localhost:8000", "[::1]:8000"])
    async def test_ours_are_not(self, host: str) -> None:
        assert (await Exchange("/healthz", headers={"host": host}).with_(LeanHandler())).status == 200

    async def test_what_a_proxy_says_of_the_host_is_not_believed(self) -> None:
        headers = {"host": "evil.example", "x-forwarded-host": "localhost"}

        assert (await Exchange("/healthz", headers=headers).with_(LeanHandler())).status == 400
