"""Addresses people keep. They are made of what is registered, and every one of them passes through `local_only`."""

import re

from django.urls import re_path

from qulab.admin import views
from qulab.admin.access import View, local_only
from qulab.admin.site import site

app_name = "admin"

_LIST = "|".join(re.escape(admin.name) for admin in site)

ROUTES: list[tuple[str, View, str]] = [
    (r"^$", views.index, "index"),
    (rf"^(?P<name>{_LIST})$", views.rows, "list"),
    *(
        (rf"^(?P<name>{re.escape(name)})/(?P<action>{re.escape(action)})$", views.action, "action")
        for name, action in sorted(site.actions())
    ),
    # Any text: what is no id is told so, in words.
    (rf"^(?P<name>{_LIST})/(?P<key>[^/]+)$", views.detail, "detail"),
]

urlpatterns = [re_path(route, local_only(view), name=name) for route, view, name in ROUTES]
