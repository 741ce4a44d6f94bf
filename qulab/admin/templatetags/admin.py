"""The way into the admin pages is shown where they are open, and nowhere else."""

from typing import Any

from django import template
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

from qulab.admin.access import is_open

register = template.Library()


@register.inclusion_tag("admin/partials/way_in.html", takes_context=True)
def admin_link(context: Context) -> dict[str, Any]:
    """The entry of the sidebar. An error page may have no request; then there is none."""
    request: HttpRequest | None = context.get("request")
    address = reverse("admin:index")
    return {
        "address": address if is_open(request) else "",
        "current": request is not None and request.path.startswith(address),
    }
