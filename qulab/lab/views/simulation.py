"""How good is the test: a page with one experiment, beside the sections."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from assessments.estimation import DIFFICULTY_SD, DISCRIMINATION, shrinkage
from qulab.db.middleware import DatabaseRequest
from qulab.lab import formulas
from qulab.lab.bench_pages import bench_view
from qulab.lab.sections import THE_TEST, section
from qulab.lab.views.common import asked_run


@require_safe
async def page(request: DatabaseRequest) -> HttpResponse:
    run = await asked_run(request, THE_TEST)
    context = {
        "section": section(THE_TEST),
        "run": run,
        "bench": await bench_view(request, "simulation", run=run),
        "kappa": formulas.shrinkage(DISCRIMINATION, DIFFICULTY_SD, shrinkage()),
    }
    return render(request, "lab/test.html", context)
