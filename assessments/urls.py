"""Addresses of one's own tests and results. Whose they are stands in none of them."""

from django.urls import path

from assessments.views import beginning, results, taking
from qulab.access.needs import Need, guarded

app_name = "assessments"

urlpatterns = guarded(
    Need.PERSON,
    [
        path("", beginning.overview, name="overview"),
        path("begin", beginning.begin, name="begin"),
        path("results/<str:score_id>.json", results.result_json, name="result-json"),
        path("results/<str:score_id>", results.result, name="result"),
        path("<str:sitting_id>", taking.sitting, name="sitting"),
        path("<str:sitting_id>/answer", taking.answer, name="answer"),
        path("<str:sitting_id>/abandon", taking.abandon, name="abandon"),
    ],
)
