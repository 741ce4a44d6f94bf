"""`manage.py runserver`: the development server is ASGI too, since a pooled engine needs one loop that lives."""

import os
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.management.commands.runserver import Command as DjangoCommand
from django.utils import autoreload

from qulab.local.lab import reason_of


class StaticFiles(ASGIStaticFilesHandler):
    """Looks a file up at each request, and passes on all else, and bundles: the middleware puts them together."""

    def _should_handle(self, path: str) -> bool:
        return super()._should_handle(path) and path.removeprefix(self.base_url.path) not in settings.STATIC_BUNDLES


class Command(DjangoCommand):
    help = "Serve for development, over ASGI: restarts when code changes, and serves static files as they are now."
    addr: str
    port: str
    use_ipv6: bool

    def inner_run(self, *args: Any, **options: Any) -> None:
        autoreload.raise_last_exception()
        from qulab.asgi import application  # here, so that the reloader sees its errors

        if not options["skip_checks"]:
            self.check(display_num_errors=True)
        static = StaticFiles(application)  # type: ignore[arg-type]
        config = uvicorn.Config(static, timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has shut down
            uvicorn.Server(config).run(sockets=[self._listen()])

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            listener = socket.create_server((self.addr, int(self.port)), family=family)
        except OSError as error:
            self.stderr.write(f"Cannot listen on {self.addr}, port {self.port}: {reason_of(error)}. Name another port.")
            os._exit(1)  # this may be the reloader's thread, which sys.exit would not leave
        self.stdout.write(f"Serving at http://{self.addr}:{self.port}/ and watching the code; Ctrl-C ends it.")
        return listener
