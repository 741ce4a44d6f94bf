"""The way into the admin pages is shown to whom they are open, and to nobody else."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from qulab.access.person import person_of

register = template.Library()


@register.inclusion_tag("admin/partials/way_in.html", takes_context=True)
def admin_link(context: Context) -> dict[str, Any]:
    """The entry of the sidebar. An error page may have no request; then there is none."""
    request = context.get("request")
    person = person_of(request)
    address = reverse("admin:index")
    return {
        "address": address if person and person.is_staff else "",
        "current": request is not None and request.path.startswith(address),
    }
