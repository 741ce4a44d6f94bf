"""The introduction asks every part how it is, at the moment the page is made."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from qulab.db.middleware import DatabaseRequest
from qulab.health import readiness
from qulab.lab.learner import learner_of
from qulab.lab.learner.overview import overview
from qulab.lab.sections import sections


@require_safe
async def home(request: DatabaseRequest) -> HttpResponse:
    found = sections()
    context = {
        "home": True,
        "minutes": sum(section.minutes for section in found),
        "progress": overview(learner_of(request)),
    }
    response = render(request, "lab/introduction.html", await _state() | context)
    patch_vary_headers(response, ("Cookie",))
    return response


@require_safe
async def services(request: DatabaseRequest) -> HttpResponse:
    """The state alone, for the part of the page that renews itself."""
    return render(request, "partials/services.html", await _state())


async def _state() -> dict[str, object]:
    state = await readiness()
    return {
        "services": [(name, getattr(state, name)) for name in state.__struct_fields__],
        "healthy": state.healthy,
    }
