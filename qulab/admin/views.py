"""A view finds the list that the address names, makes one call and hands frozen values to a template."""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from qulab.admin import actions
from qulab.admin.details import detail_page
from qulab.admin.index import index_page
from qulab.admin.lists import list_page
from qulab.admin.site import site
from qulab.db.middleware import DatabaseRequest


@require_safe
async def index(request: DatabaseRequest) -> HttpResponse:
    return render(request, "admin/index.html", {"entries": await index_page(request.db)})


@require_safe
async def rows(request: DatabaseRequest, name: str) -> HttpResponse:
    page = await list_page(request.db, site.get(name), request.GET)
    return render(request, "admin/list.html", {"page": page}, status=page.status)


@require_safe
async def detail(request: DatabaseRequest, name: str, key: str) -> HttpResponse:
    page = await detail_page(request.db, site.get(name), key)
    if page is None:
        raise Http404(
            _("%(one)s %(id)s is not here. It may have been deleted.") % {"one": site.get(name).one, "id": key[:80]}
        )
    return render(request, "admin/detail.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
async def action(request: DatabaseRequest, name: str, action: str) -> HttpResponseBase:
    """GET says what would be done and asks; POST does it."""
    admin = site.get(name)
    chosen = site.action(admin, action)
    if request.method != "POST":
        outcome: int | actions.Confirmation = await actions.confirmation(request.db, admin, chosen, request.GET)
    else:
        outcome = await actions.perform(request.db, admin, chosen, request.POST)
    if isinstance(outcome, int):
        return HttpResponseRedirect(actions.back(admin, chosen, request.POST, outcome))
    return render(request, "admin/confirm.html", {"page": outcome}, status=outcome.status)
