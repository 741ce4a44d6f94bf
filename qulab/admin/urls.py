"""Addresses people keep, made of what is registered. Every one of them is for staff, and no cache keeps it."""

import re
from collections.abc import Iterable

from django.urls import re_path
from django.views.decorators.cache import never_cache

from qulab.access.needs import Need, View, guarded
from qulab.admin import views
from qulab.admin.site import site

app_name = "admin"


def _any(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


_LIST = _any(admin.name for admin in site)

ROUTES: list[tuple[str, View, str]] = [
    (r"^$", views.index, "index"),
    (rf"^(?P<name>{_LIST})$", views.rows, "list"),
    *(
        (rf"^(?P<name>{re.escape(name)})/(?P<action>{re.escape(action)})$", views.action, "action")
        for name, action in sorted(site.actions())
    ),
    *((rf"^(?P<name>{re.escape(name)})/new$", views.create, "new") for name in site.creations()),
    *((rf"^(?P<name>{re.escape(name)})/(?P<key>[^/]+)/edit$", views.edit, "edit") for name in site.edited()),
    (rf"^(?P<name>{_LIST})/export\.(?P<form>csv|json)$", views.download, "export"),
    # Any text: what is no id is told so, in words.
    (rf"^(?P<name>{_LIST})/(?P<key>[^/]+)$", views.detail, "detail"),
]

urlpatterns = guarded(Need.STAFF, [re_path(route, never_cache(view), name=name) for route, view, name in ROUTES])
