"""The cookie is signed and believed only whole: one that was changed, or cannot be read, is that of a new learner."""

from typing import Any

import msgspec
from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from qulab.lab.learner.progress import Learner

NAME = "qulab-learner"
AGE = 365 * 24 * 3600  # seconds
MOST_BYTES = 3_500  # browsers keep 4,096, name and attributes included
KEPT = "_learner"


class Encoding:
    """JSON, as django.core.signing wants it."""

    def dumps(self, learner: Learner) -> bytes:
        return msgspec.json.encode(learner)

    def loads(self, data: bytes) -> Learner:
        return msgspec.json.decode(data, type=Learner)


def learner_of(request: HttpRequest) -> Learner:
    """Who asks. Without a cookie a new one, the same for the whole request."""
    found: Learner | None = getattr(request, KEPT, None)
    return found or keep(request, _read(request.COOKIES.get(NAME, "")))


def keep(request: HttpRequest, learner: Learner) -> Learner:
    """What `learner_of` returns from here on, as long as this request lasts."""
    setattr(request, KEPT, learner)
    return learner


def remember(response: HttpResponseBase, learner: Learner) -> None:
    """Send the learner along with the answer, for a year from now."""
    response.set_cookie(NAME, _written(learner), **_attributes(), max_age=AGE)
    patch_vary_headers(response, ("Cookie",))


def forget(response: HttpResponseBase) -> None:
    response.delete_cookie(NAME, samesite="Lax")


def _attributes() -> dict[str, Any]:
    return {"httponly": True, "samesite": "Lax", "path": "/", "secure": settings.CSRF_COOKIE_SECURE}


def _written(learner: Learner) -> str:
    return signing.dumps(learner, salt=NAME, serializer=Encoding, compress=True)


def _read(cookie: str) -> Learner:
    if not cookie or len(cookie) > MOST_BYTES:
        return Learner()
    try:
        learner: Learner = signing.loads(cookie, salt=NAME, serializer=Encoding, max_age=AGE)
    except (signing.BadSignature, msgspec.MsgspecError, ValueError):
        return Learner()
    return learner
