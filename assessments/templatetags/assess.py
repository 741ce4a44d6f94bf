"""The way to the test is shown to whoever has an account, and to nobody else."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from qulab.access.person import person_of

register = template.Library()


@register.inclusion_tag("assessments/way_in.html", takes_context=True)
def test_link(context: Context) -> dict[str, Any]:
    """The entry of the sidebar. An error page may have no request; then there is none."""
    request = context.get("request")
    person = person_of(request)
    address = reverse("assessments:overview")
    return {
        "address": address if person and person.id else "",
        "current": ("page" if request.path == address else "true")
        if request and request.path.startswith(address)
        else "",
    }
