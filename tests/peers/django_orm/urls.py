"""Django as its documentation writes an async view: `aget`, JsonResponse."""

from django.forms.models import model_to_dict
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import path

from tests.peers.django_orm.models import User


async def read_user(_request: HttpRequest, user_id: str) -> JsonResponse:
    try:
        user = await User.objects.aget(id=user_id)
    except User.DoesNotExist as missing:
        raise Http404 from missing
    return JsonResponse(model_to_dict(user))


async def plain(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "world"})


urlpatterns = [path("users/<str:user_id>", read_user), path("plain", plain)]
