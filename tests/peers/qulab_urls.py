"""This project's own path: the session of the middleware, the repository, a snapshot."""

import msgspec
from django.http import Http404, HttpResponse
from django.urls import path

from accounts.repositories import UserRepository
from accounts.snapshots import UserSnapshot
from qulab.access.needs import Need, guarded
from qulab.db.middleware import DatabaseRequest


async def read_user(request: DatabaseRequest, user_id: str) -> HttpResponse:
    user = await UserRepository(request.db).get(user_id)
    if user is None:
        raise Http404
    return HttpResponse(msgspec.json.encode(UserSnapshot.of(user)), content_type="application/json")


async def plain(_request: DatabaseRequest) -> HttpResponse:
    return HttpResponse(b'{"hello":"world"}', content_type="application/json")


urlpatterns = guarded(Need.NOTHING, [path("users/<str:user_id>", read_user), path("plain", plain)])
