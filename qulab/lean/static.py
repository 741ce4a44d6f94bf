"""A text file is compressed once in the life of a process, not once a request, and only for who says they unpack it.

What ServeStatic does with a file stays: its headers, its 304, its ranges. Without a compressed copy it serves the file.
"""

import gzip
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import StaticFile

OK = 200
TEXT = {".css", ".js", ".svg", ".txt", ".json"}


class StaticMiddleware(ServeStaticMiddleware):  # type: ignore[misc]
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._compressed: dict[str, bytes] = {}

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self.autorefresh and Path(request.path_info).suffix in TEXT:
            static_file = self.files.get(request.path_info)
            if isinstance(static_file, StaticFile):
                return await self._answer(static_file, request)
        response: HttpResponseBase = await super().__call__(request)
        return response

    async def _answer(self, static_file: StaticFile, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.aserve(static_file, request)
        patch_vary_headers(response, ("Accept-Encoding",))
        wanted = "gzip" in request.headers.get("Accept-Encoding", "")
        if not wanted or response.status_code != OK or "Content-Encoding" in response.headers:
            return response
        response.close()  # nothing of it was opened yet
        return HttpResponse(
            b"" if request.method == "HEAD" else self._body(static_file),
            headers={
                **response.headers,
                "Content-Encoding": "gzip",
                "Content-Length": str(len(self._body(static_file))),
            },
        )

    def _body(self, static_file: StaticFile) -> bytes:
        """The file as it was when somebody first asked for it."""
        _, path, _ = static_file.alternatives[-1]  # the largest: the file itself
        if path not in self._compressed:
            self._compressed[path] = gzip.compress(Path(path).read_bytes(), mtime=0)
        return self._compressed[path]
