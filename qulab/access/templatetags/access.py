"""Every page says who asks, or that this cannot be told now."""

from typing import Any

from django import template
from django.template import Context

from qulab.access.person import person_of, who_is_unknown

register = template.Library()


@register.inclusion_tag("partials/who.html", takes_context=True)
def who(context: Context) -> dict[str, Any]:
    """The line of the sidebar. An error page may have no request; then nobody asks."""
    request = context.get("request")
    return {
        "person": person_of(request),
        "unknown": who_is_unknown(request),
        "path": request.path if request else "",
        "csrf_token": context.get("csrf_token"),
    }
