"""A text file is compressed once in the life of a process, not once a request, and only for who says they unpack it.

What ServeStatic does with a file stays: its headers, its 304, its ranges. Without a compressed copy it serves the file.
A bundle is several files under one address, in one request: `settings.STATIC_BUNDLES`.
"""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import StaticFile

OK = 200
TEXT = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


class StaticMiddleware(ServeStaticMiddleware):  # type: ignore[misc]
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._compressed: dict[str, bytes] = {}
        self._bundles: dict[str, Bundle] = {}

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith(self.static_prefix) and Path(path).suffix in TEXT:
            parts = settings.STATIC_BUNDLES.get(path.removeprefix(self.static_prefix))
            if parts and request.method in {"GET", "HEAD"}:
                return self._bundle(request, parts)
            static_file = None if self.autorefresh else self.files.get(path)
            if isinstance(static_file, StaticFile):
                return await self._file(request, static_file)
        response: HttpResponseBase = await super().__call__(request)
        return response

    async def _file(self, request: HttpRequest, static_file: StaticFile) -> HttpResponseBase:
        response: HttpResponseBase = await self.aserve(static_file, request)
        patch_vary_headers(response, ("Accept-Encoding",))
        if not _unpacks(request) or response.status_code != OK or "Content-Encoding" in response.headers:
            return response
        response.close()  # nothing of it was opened yet
        return _packed(request, self._body(static_file), response.headers)

    def _body(self, static_file: StaticFile) -> bytes:
        """The file as it was when somebody first asked for it."""
        _, path, _ = static_file.alternatives[-1]  # the largest: the file itself
        if path not in self._compressed:
            self._compressed[path] = gzip.compress(Path(path).read_bytes(), mtime=0)
        return self._compressed[path]

    def _bundle(self, request: HttpRequest, parts: list[str]) -> HttpResponseBase:
        bundle = self._current(request.path_info, parts)
        kind = TEXT[Path(request.path_info).suffix]
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Cache-Control": f"max-age={self.max_age}, public",
            "Vary": "Accept-Encoding",
            "ETag": bundle.etag,
        }
        if _unpacks(request):
            response = _packed(request, bundle.compressed, headers)
        else:
            response = HttpResponse(bundle.body, headers={**headers, "Content-Length": str(len(bundle.body))})
        return get_conditional_response(request, etag=bundle.etag, response=response) or response

    def _current(self, path: str, parts: list[str]) -> "Bundle":
        """Put together anew when one of its files changed."""
        bundle = self._bundles.get(path)
        files = bundle.files if bundle else [Path(str(finders.find(part))) for part in parts]
        changed = [file.stat().st_mtime_ns for file in files]
        if bundle is None or bundle.changed != changed:
            self._bundles[path] = bundle = Bundle.of(files, changed)
        return bundle


class Bundle(msgspec.Struct, frozen=True):
    files: list[Path]
    changed: list[int]
    body: bytes
    compressed: bytes
    etag: str

    @classmethod
    def of(cls, files: list[Path], changed: list[int]) -> Self:
        body = b"".join(file.read_bytes() for file in files)
        return cls(files, changed, body, gzip.compress(body, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:16]}"')


def _unpacks(request: HttpRequest) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _packed(request: HttpRequest, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
    about = {**headers, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
    return HttpResponse(b"" if request.method == "HEAD" else body, headers=about)
