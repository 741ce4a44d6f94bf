"""The code of the product is there to be read: whole files of its packages, and nothing else on this machine."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from qulab.lab.sources import SourceMissing, listing


@require_safe
async def page(request: HttpRequest, path: str) -> HttpResponse:
    try:
        found = listing(path)
    except SourceMissing as missing:
        raise Http404(_("Only the Python files of this product's own packages are shown here.")) from missing
    return render(request, "lab/source.html", {"listing": found})
