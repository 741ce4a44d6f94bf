"""Runs of experiments as staff see them. What a run measured is shown by the lab, at the address of the run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from qulab.admin.declare import Admin, Column, Group, Sort, deletion
from qulab.admin.filters import Choice, Exact, Period
from qulab.admin.parts import Offer
from qulab.admin.site import site
from qulab.lab.models import Run, RunStatus
from qulab.lab.runs import queue

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

STATES: dict[str, "StrPromise | str"] = {
    RunStatus.QUEUED: gettext_lazy("Queued"),
    RunStatus.RUNNING: gettext_lazy("Running"),
    RunStatus.DONE: gettext_lazy("Done"),
    RunStatus.CANCELLED: gettext_lazy("Cancelled"),
    RunStatus.FAILED: gettext_lazy("Failed"),
}


def in_the_lab(run: Run) -> Sequence[Offer]:
    if settings.LAB == "off":  # its addresses are not there
        return []
    return [
        Offer(_("The run in the lab"), reverse("lab:run", args=[run.id])),
        Offer(_("All of it as JSON"), reverse("lab:run-json", args=[run.id])),
    ]


site.register(
    Admin(
        model=Run,
        name="runs",
        title=gettext_lazy("Runs"),
        one=gettext_lazy("Run"),
        about=gettext_lazy("Experiments and demonstrations of the lab, by whom they were asked for."),
        empty=gettext_lazy("There are no runs yet. Each experiment that is started in the lab becomes one."),
        fixed=gettext_lazy("What was measured stays as it was measured."),
        rank=1,
        label=lambda run: run.experiment,
        columns=[
            Column("experiment", gettext_lazy("Experiment"), link=True),
            Column("status", gettext_lazy("Status")),
            Column("visitor", gettext_lazy("Visitor")),
            Column("created_at", gettext_lazy("Asked for (UTC)"), sort="created"),
            Column("started_at", gettext_lazy("Started (UTC)")),
            Column("finished_at", gettext_lazy("Ended (UTC)")),
        ],
        search=[Run.experiment, Run.error],
        search_hint=gettext_lazy("Part of a name or an error, or an id"),
        ids=[Run.visitor],
        filters=[
            Choice(Run.status, STATES),
            Exact(Run.experiment, gettext_lazy("Experiment")),
            Exact(Run.visitor, gettext_lazy("Visitor")),
            Period(Run.created_at),
        ],
        tags=frozenset({"status"}),
        sorts={"created": Sort(Run.id, gettext_lazy("Oldest first"), gettext_lazy("Newest first"))},
        groups=[
            Group(gettext_lazy("Its life"), ["status", "created_at", "started_at", "finished_at", "error"]),
        ],
        large=frozenset({"result", "samples"}),
        actions=[
            deletion(
                question=lambda n: (
                    ngettext(
                        "Delete %(n)s run, unless it is under way?", "Delete %(n)s runs, except those under way?", n
                    )
                    % {"n": f"{n:,}"}
                ),
                done=lambda n: ngettext("%(n)s run is deleted.", "%(n)s runs are deleted.", n) % {"n": f"{n:,}"},
                run=queue.remove,
            )
        ],
        offers=in_the_lab,
    )
)
