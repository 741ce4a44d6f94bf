"""What is sent compressed is, unpacked, what would have been sent; what must not be compressed is not."""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from qulab import urls
from qulab.access.needs import Need, guarded
from qulab.lean.handler import LeanHandler

from .asgi import Exchange

STYLES = "/static/qulab/css/tokens.css"
FILE = Path(project.BASE_DIR) / "qulab/static/qulab/css/tokens.css"
BUNDLE = "/static/qulab/css/qulab.css"
PARTS = ["tokens", "page", "parts", "lab"]
UNPACKS = {"accept-encoding": "gzip, br"}
PAGE = "<!doctype html>" + "<p>A row of the page.</p>" * 100


async def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


async def figures(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"figures": list(range(200))})


async def stream(_request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield PAGE
        yield PAGE

    return StreamingHttpResponse(pieces(), content_type="text/html")


urlpatterns = [
    *urls.urlpatterns,
    *guarded(Need.NOTHING, [path("page", page), path("figures", figures), path("stream", stream)]),
]


@pytest.fixture
def lean(settings: Any) -> LeanHandler:
    settings.ROOT_URLCONF = __name__
    return LeanHandler()


class TestPages:
    async def test_one_is_compressed_for_who_unpacks_it(self, lean: LeanHandler) -> None:
        answer = await Exchange("/page", headers=UNPACKS).with_(lean)

        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(answer.body) < len(PAGE) / 5
        assert gzip.decompress(answer.body).decode() == PAGE

    async def test_and_for_nobody_else(self, lean: LeanHandler) -> None:
        answer = await Exchange("/page").with_(lean)

        assert "content-encoding" not in answer.headers
        assert "Accept-Encoding" in answer.headers["vary"]
        assert answer.body.decode() == PAGE

    async def test_its_size_does_not_tell_what_is_in_it(self, lean: LeanHandler) -> None:
        sizes = {len((await Exchange("/page", headers=UNPACKS).with_(lean)).body) for _ in range(20)}

        assert len(sizes) > 1

    @pytest.mark.parametrize("address", ["/stream", "/figures"])
    async def test_streams_and_figures_are_not(self, lean: LeanHandler, address: str) -> None:
        answer = await Exchange(address, headers=UNPACKS).with_(lean)

        assert "content-encoding" not in answer.headers
        assert answer.status == 200


class TestFiles:
    async def test_a_text_file_is_compressed_for_who_unpacks_it(self, lean: LeanHandler) -> None:
        answer = await Exchange(STYLES, headers=UNPACKS).with_(lean)

        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(answer.body) < FILE.stat().st_size / 2
        assert gzip.decompress(answer.body) == FILE.read_bytes()
        assert answer.headers["content-type"].startswith("text/css")

    async def test_once(self, lean: LeanHandler, monkeypatch: pytest.MonkeyPatch) -> None:
        first = await Exchange(STYLES, headers=UNPACKS).with_(lean)
        monkeypatch.setattr(gzip, "compress", None)

        assert (await Exchange(STYLES, headers=UNPACKS).with_(lean)).body == first.body

    async def test_and_for_nobody_else(self, lean: LeanHandler) -> None:
        answer = await Exchange(STYLES).with_(lean)

        assert answer.body == FILE.read_bytes()
        assert answer.headers["vary"] == "Accept-Encoding"

    async def test_who_has_it_is_told_so(self, lean: LeanHandler) -> None:
        etag = (await Exchange(STYLES, headers=UNPACKS).with_(lean)).headers["etag"]

        again = await Exchange(STYLES, headers={**UNPACKS, "if-none-match": etag}).with_(lean)

        assert (again.status, again.body) == (304, b"")

    async def test_a_head_has_the_length_and_no_body(self, lean: LeanHandler) -> None:
        length = (await Exchange(STYLES, headers=UNPACKS).with_(lean)).headers["content-length"]

        answer = await Exchange(STYLES, method="HEAD", headers=UNPACKS).with_(lean)

        assert (answer.headers["content-length"], answer.body) == (length, b"")

    async def test_a_range_is_one_of_the_file_itself(self, lean: LeanHandler) -> None:
        answer = await Exchange(STYLES, headers={**UNPACKS, "range": "bytes=0-9"}).with_(lean)

        assert (answer.status, answer.body) == (206, FILE.read_bytes()[:10])

    async def test_a_font_is_compressed_already(self, lean: LeanHandler) -> None:
        answer = await Exchange("/static/qulab/fonts/inter-latin.woff2", headers=UNPACKS).with_(lean)

        assert "content-encoding" not in answer.headers


class TestBundles:
    async def test_several_files_are_one(self, lean: LeanHandler) -> None:
        answer = await Exchange(BUNDLE).with_(lean)

        folder = FILE.parent
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert answer.body == b"".join((folder / f"{name}.css").read_bytes() for name in PARTS)

    async def test_it_changes_with_its_files(self, lean: LeanHandler, settings: Any, tmp_path: Path) -> None:
        settings.STATICFILES_DIRS = [tmp_path]
        settings.STATIC_BUNDLES = {"all.css": ["new.css"]}
        for number, text in enumerate(["a{}", "b{}"]):
            (tmp_path / "new.css").write_text(text)
            os.utime(tmp_path / "new.css", (number, number))

            assert (await Exchange("/static/all.css").with_(lean)).body == text.encode()

    async def test_compressed_for_who_unpacks_it(self, lean: LeanHandler) -> None:
        plain = await Exchange(BUNDLE).with_(lean)

        answer = await Exchange(BUNDLE, headers=UNPACKS).with_(lean)

        assert gzip.decompress(answer.body) == plain.body
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert answer.headers["etag"] == plain.headers["etag"]

    async def test_who_has_it_is_told_so(self, lean: LeanHandler) -> None:
        etag = (await Exchange(BUNDLE, headers=UNPACKS).with_(lean)).headers["etag"]

        again = await Exchange(BUNDLE, headers={**UNPACKS, "if-none-match": etag}).with_(lean)

        assert (again.status, again.body) == (304, b"")

    async def test_a_head_has_the_length_and_no_body(self, lean: LeanHandler) -> None:
        answer = await Exchange(BUNDLE, method="HEAD", headers=UNPACKS).with_(lean)

        assert int(answer.headers["content-length"]) > 0
        assert answer.body == b""
