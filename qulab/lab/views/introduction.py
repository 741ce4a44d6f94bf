"""The introduction asks every part how it is, at the moment the page is made."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from qulab.access.person import person_of
from qulab.db.middleware import DatabaseRequest
from qulab.health import readiness
from qulab.lab.audience import sees_lab
from qulab.lab.learner import learner_of
from qulab.lab.learner.overview import overview
from qulab.lab.ownership import owns_rows
from qulab.lab.sections import sections


@require_safe
async def home(request: DatabaseRequest) -> HttpResponse:
    """The lab's introduction, or the platform's first page for who may not use the lab."""
    if not sees_lab(request):
        return render(request, "home.html", {"person": person_of(request)})
    found = sections()
    context = {
        "home": True,
        "minutes": sum(section.minutes for section in found),
        "progress": overview(learner_of(request)),
        "owned": owns_rows(),
        "audience": _audience(),
    }
    response = render(request, "lab/introduction.html", await _state() | context)
    patch_vary_headers(response, ("Cookie",))
    return response


def _audience() -> str:
    """Who the lab is for, in a sentence."""
    if settings.LAB == "staff":
        here = _("It is for staff, who sign in, and for the operator at this machine, who need not.")
        return here if settings.LOCAL_OPERATOR else _("It is for staff, who sign in.")
    if settings.LOCAL_OPERATOR:
        return _("It is open to who sits at this machine; no account is needed.")
    return _("It is open to everybody who reaches it; no account is needed.")


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
