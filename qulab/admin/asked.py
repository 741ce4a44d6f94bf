"""What an address asks of a list, checked field by field: the queries see this and never the request."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from django import forms
from django.http import QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from qulab.admin.declare import NEWEST, Admin, Sort
from qulab.admin.plain import PlainField

LONGEST_SEARCH = 200
DEFAULT_SORT = f"-{NEWEST}"


class FilterForm(forms.Form):
    """Search, filters and order of one list. The fields come with the subclass."""

    def clean(self) -> dict[str, Any]:
        for name, last in self.cleaned_data.items():
            first = self.cleaned_data.get(f"{name.removesuffix('_to')}_from")
            if name.endswith("_to") and first and last and last < first:
                self.add_error(name, _("This day is before the other one."))
                break
        return self.cleaned_data


class Asked(msgspec.Struct, frozen=True):
    """A checked question. `params` are what of the address keeps its meaning on another page of the list."""

    params: Mapping[str, str]
    values: Mapping[str, Any]
    sort_name: str
    descending: bool
    after: str = ""
    before: str = ""
    last: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether rows are left out."""
        return any(name != "sort" for name in self.params)

    def sort(self, admin: Admin) -> Sort:
        return admin.sorts[self.sort_name]

    @property
    def beyond_the_start(self) -> bool:
        return bool(self.after or self.before or self.last)

    @property
    def backwards(self) -> bool:
        """Whether the page is read from its end."""
        return bool(self.before or self.last)

    @property
    def one_place(self) -> bool:
        """Whether at most one place in the list is named, in a way that is known."""
        return sum(map(bool, (self.after, self.before, self.last))) <= 1 and self.last in ("", "1")

    def from_the_start(self) -> "Asked":
        return msgspec.structs.replace(self, after="", before="", last="")

    def address(self, **changes: str) -> str:
        """The same list with something changed, from its first page on. An empty value takes a parameter away."""
        params = {name: value for name, value in {**self.params, **changes}.items() if value}
        return f"?{urlencode(params)}"


def form_for(admin: Admin, data: QueryDict) -> FilterForm:
    return _form_class(admin.name, admin)(data)


def asked(form: FilterForm, data: QueryDict) -> Asked:
    """The question of a valid form."""
    sort = form.cleaned_data.get("sort") or DEFAULT_SORT
    params = {name: form.data[name].strip() for name in form.fields if form.cleaned_data.get(name)}
    if sort == DEFAULT_SORT:
        params.pop("sort", None)
    return Asked(
        params=params,
        values=form.cleaned_data,
        sort_name=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        after=data.get("after", ""),
        before=data.get("before", ""),
        last=data.get("last", ""),
    )


@cache
def _form_class(name: str, admin: Admin) -> type[FilterForm]:
    fields: dict[str, Any] = {"q": _search_field(admin)}
    for one in admin.filters:
        fields.update(one.fields())
    fields["sort"] = _sort_field(admin)
    return type(f"FilterFormOf_{name}", (FilterForm,), fields)


def _search_field(admin: Admin) -> PlainField:
    return PlainField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=LONGEST_SEARCH,
        help_text=admin.search_hint,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )


def _sort_field(admin: Admin) -> forms.ChoiceField:
    choices = [
        choice
        for name, sort in admin.sorts.items()
        for choice in ((f"-{name}", sort.descending), (name, sort.ascending))
    ]
    message = {"invalid_choice": gettext_lazy("There is no order “%(value)s” here. Choose one of the list.")}
    return forms.ChoiceField(label=gettext_lazy("Order"), choices=choices, required=False, error_messages=message)
