"""Addresses of which one says not whom it lets in."""

from django.urls import path

from qulab.health import healthz
from qulab.urls import urlpatterns as addresses

urlpatterns = [*addresses, path("unguarded", healthz)]
