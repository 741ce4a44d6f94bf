"""The addresses of the product."""

from django.urls import include, path

from qulab import health, metrics
from qulab.access.needs import Need, guarded
from qulab.lab import urls as lab
from qulab.lab.live.views import live

urlpatterns = [
    *guarded(Need.ANYONE, [path("", lab.home, name="home")]),
    *guarded(Need.LAB, [path("live", live, name="live")]),
    *guarded(
        Need.NOTHING,
        [path("healthz", health.healthz), path("readyz", health.readyz), path("metrics", metrics.metrics)],
    ),
    path("lab/", include(lab)),
    path("accounts/", include("accounts.urls")),
    path("assess/", include("assessments.urls")),
    path("admin/", include("qulab.admin.urls")),
]
