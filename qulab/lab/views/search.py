"""Finding needs no JavaScript and no statement: an address, a form, a list of links."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from qulab.lab import bounds
from qulab.lab.glossary import glossary
from qulab.lab.search import search
from qulab.lab.views.common import OK, UNPROCESSABLE

LONGEST = 80


class SearchForm(forms.Form):
    q = forms.CharField(
        label=_("Search the lab"), max_length=LONGEST, required=False, widget=forms.TextInput({"type": "search"})
    )


@require_safe
@bounds.within(bounds.LOOKS)
async def results(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.GET if "q" in request.GET else {"q": ""})
    asked = form.cleaned_data["q"] if form.is_valid() else ""
    context = {"form": form, "asked": asked, "found": search(asked), "searching": True}
    return render(request, "lab/search.html", context, status=OK if form.is_valid() else UNPROCESSABLE)


@require_safe
async def words(request: HttpRequest) -> HttpResponse:
    return render(request, "lab/glossary.html", {"words": glossary()})
