"""Addresses of one's account."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from qulab.access.needs import Need, guarded

app_name = "accounts"


async def _soon(request: HttpRequest) -> HttpResponse:
    return HttpResponse("The pages of accounts come with the next commit.")


urlpatterns = [
    *guarded(Need.ANYONE, [path("sign-in", _soon, name="sign-in"), path("sign-up", _soon, name="sign-up")]),
    *guarded(Need.PERSON, [path("sign-out", _soon, name="sign-out"), path("profile", _soon, name="profile")]),
]
