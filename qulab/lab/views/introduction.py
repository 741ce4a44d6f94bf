"""The introduction asks every part how it is, at the moment the page is made."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from qulab.db.middleware import DatabaseRequest
from qulab.health import readiness
from qulab.lab.sections import sections


@require_safe
async def home(request: DatabaseRequest) -> HttpResponse:
    return render(request, "lab/introduction.html", await _state())


@require_safe
async def services(request: DatabaseRequest) -> HttpResponse:
    """The state alone, for the part of the page that renews itself."""
    return render(request, "partials/services.html", await _state())


async def _state() -> dict[str, object]:
    state = await readiness()
    found = sections()
    return {
        "home": True,
        "services": [(name, getattr(state, name)) for name in state.__struct_fields__],
        "healthy": state.healthy,
        "sections": found,
        "minutes": sum(section.minutes for section in found),
    }
