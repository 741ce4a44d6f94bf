"""The way to the test is shown to whoever has an account; to others, where the lab fills the page, a way to sign in."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from qulab.access.person import person_of, who_is_unknown

register = template.Library()


@register.inclusion_tag("assessments/way_in.html", takes_context=True)
def test_link(context: Context, lab: bool) -> dict[str, Any]:
    """The entry of the sidebar. An error page may have no request; then there is none.

    Without the lab the first page asks nobody to do anything but sign in, and needs no entry for it.
    """
    request = context.get("request")
    person = person_of(request)
    address = reverse("assessments:overview")
    return {
        "address": address if person and person.id else "",
        "sign_in": lab and request is not None and not who_is_unknown(request),
        "current": ("page" if request.path == address else "true")
        if request and request.path.startswith(address)
        else "",
    }
