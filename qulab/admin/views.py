"""A view finds the list that the address names, makes one call and hands frozen values to a template."""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from qulab.access.limits import too_many
from qulab.access.person import person_of
from qulab.admin import actions, details, editing, export
from qulab.admin.details import detail_page
from qulab.admin.index import index_page
from qulab.admin.lists import list_page
from qulab.admin.services import Saved
from qulab.admin.site import site
from qulab.db.middleware import DatabaseRequest


@require_safe
async def index(request: DatabaseRequest) -> HttpResponse:
    context = {"page": await index_page(request.db), "person": person_of(request)}
    return render(request, "admin/index.html", context)


@require_safe
async def rows(request: DatabaseRequest, name: str) -> HttpResponse:
    page = await list_page(request.db, site.get(name), request.GET)
    return render(request, "admin/list.html", {"page": page}, status=page.status)


@require_safe
async def detail(request: DatabaseRequest, name: str, key: str) -> HttpResponse:
    page = await detail_page(request.db, site.get(name), key, request.GET)
    if page is None:
        raise _no_row(name, key)
    return render(request, "admin/detail.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
async def create(request: DatabaseRequest, name: str) -> HttpResponseBase:
    admin = site.get(name)
    if request.method != "POST":
        return render(request, "admin/edit.html", {"page": editing.new_page(admin)})
    outcome = await editing.add(request.db, person_of(request), admin, request.POST)
    if isinstance(outcome, Saved):
        return HttpResponseRedirect(details.back(admin, details.CREATED, outcome))
    return render(request, "admin/edit.html", {"page": outcome}, status=outcome.status)


@require_http_methods(["GET", "HEAD", "POST"])
async def edit(request: DatabaseRequest, name: str, key: str) -> HttpResponseBase:
    """GET shows the form, POST stores it where nothing else was stored meanwhile."""
    admin = site.get(name)
    if "\x00" in key:
        raise _no_row(name, key)  # PostgreSQL has no such text, and would call the question malformed
    if request.method != "POST":
        page = await editing.edit_page(request.db, person_of(request), admin, key, request.GET.get("undo", ""))
        if page is None:
            raise _no_row(name, key)
        return render(request, "admin/edit.html", {"page": page})
    outcome = await editing.save(request.db, person_of(request), admin, key, request.POST)
    if isinstance(outcome, Saved):
        return HttpResponseRedirect(details.back(admin, details.CHANGED if outcome.entry else details.SAME, outcome))
    template = "admin/edit.html" if isinstance(outcome, editing.EditPage) else "admin/gone.html"
    return render(request, template, {"page": outcome}, status=outcome.status)


@require_http_methods(["GET", "HEAD", "POST"])
async def download(request: DatabaseRequest, name: str, form: str) -> HttpResponseBase:
    """A file of the list that the address asks for. The list tells what is not understood, and has the button."""
    admin = site.get(name)
    if request.method != "POST":
        return HttpResponseRedirect(export.back(admin, request.GET))
    try:
        file = await export.begin(request.db, admin, export.Format(form), request.GET, person_of(request))
    except export.Busy as busy:
        await request.db.stop_writing()
        return too_many(request, busy.refusal)
    return export.response(file) if file else HttpResponseRedirect(export.back(admin, request.GET))


@require_http_methods(["GET", "HEAD", "POST"])
async def action(request: DatabaseRequest, name: str, action: str) -> HttpResponseBase:
    """GET says what would be done and asks; POST does it."""
    admin = site.get(name)
    chosen = site.action(admin, action)
    person = person_of(request)
    if request.method != "POST":
        outcome: int | actions.Confirmation = await actions.confirmation(request.db, person, admin, chosen, request.GET)
    else:
        outcome = await actions.perform(request.db, person, admin, chosen, request.POST)
    if isinstance(outcome, int):
        return HttpResponseRedirect(actions.back(admin, chosen, request.POST, outcome))
    return render(request, "admin/confirm.html", {"page": outcome}, status=outcome.status)


def _no_row(name: str, key: str) -> Http404:
    about = {"one": site.get(name).one, "id": key[:80]}
    return Http404(_("%(one)s %(id)s is not here. It may have been deleted.") % about)
