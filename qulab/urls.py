"""The addresses of the product."""

from django.urls import include, path

from qulab import health, metrics
from qulab.lab import urls as lab
from qulab.lab.live.views import live

urlpatterns = [
    path("", lab.home, name="home"),
    path("lab/", include(lab)),
    path("admin/", include("qulab.admin.urls")),
    path("live", live, name="live"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
]
