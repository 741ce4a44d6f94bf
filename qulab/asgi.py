"""The ASGI application. Its lifespan loads the item banks before anybody waits for them, or does not begin.

At its end it closes, in the loop that serves, what that loop opened.
"""

import os
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qulab.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - Django must be set up first

from assessments.bank import BankError  # noqa: E402
from assessments.releases import load_all  # noqa: E402
from qulab.db.loop import close_all  # noqa: E402
from qulab.lab.live.hubs import end_streams_on_signals  # noqa: E402
from qulab.lean.handler import LeanHandler  # noqa: E402
from qulab.logs import clear_server_logs  # noqa: E402

clear_server_logs()
_django = ASGIHandler() if settings.STOCK_DJANGO else LeanHandler()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await _django(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            clear_server_logs()  # a server that was handed the application set them up after it was loaded
            end_streams_on_signals()
            await send(_begun())
        elif message["type"] == "lifespan.shutdown":
            await close_all()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _begun() -> dict[str, str]:
    try:
        load_all()  # in this loop, which serves nobody yet
    except (BankError, KeyError) as error:
        return {"type": "lifespan.startup.failed", "message": str(error.args[0])}
    return {"type": "lifespan.startup.complete"}
