"""Events as operators see them, and what they may do about them."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from outbox import services
from outbox.models import DomainEvent, Status
from qulab.admin.declare import Action, Admin, Column, Group, Sort
from qulab.admin.filters import Age, Choice, Exact, Period
from qulab.admin.site import site

REDRIVE = Action(
    name="redrive",
    title=_("Redrive"),
    question=lambda n: ngettext("Redrive %(n)d dead event?", "Redrive %(n)d dead events?", n) % {"n": n},
    consequence=_(
        "The relay tries again from attempt 0. Until an event is published, later events of its aggregate wait for it, "
        "as before."
    ),
    field="status",
    value=Status.DEAD,
    not_applicable=_("Only dead events can be redriven."),
    done=lambda n: ngettext("%(n)d event is pending again.", "%(n)d events are pending again.", n) % {"n": n},
    run=services.redrive_events,
)
REPLAY = Action(
    name="replay",
    title=_("Replay"),
    question=lambda n: ngettext("Replay %(n)d published event?", "Replay %(n)d published events?", n) % {"n": n},
    consequence=_(
        "Each becomes a new entry of its stream, behind newer ones. A consumer that handled the event finds it in its "
        "inbox and does not repeat the effect in its database; one that never had it gets it now."
    ),
    field="status",
    value=Status.PUBLISHED,
    not_applicable=_("Only published events can be replayed."),
    done=lambda n: (
        ngettext("%(n)d event will be published again.", "%(n)d events will be published again.", n) % {"n": n}
    ),
    run=services.replay_events,
)
DISCARD = Action(
    name="discard",
    title=_("Discard"),
    question=lambda n: ngettext("Discard %(n)d dead event?", "Discard %(n)d dead events?", n) % {"n": n},
    consequence=_(
        "What is discarded is never published, and this cannot be undone. Later events of its aggregate flow again, "
        "without it."
    ),
    field="status",
    value=Status.DEAD,
    not_applicable=_("Only dead events can be discarded."),
    done=lambda n: ngettext("%(n)d event was discarded.", "%(n)d events were discarded.", n) % {"n": n},
    run=services.discard_events,
    reason=_("Why nobody will miss it"),
    danger=True,
)

site.register(
    Admin(
        model=DomainEvent,
        name="events",
        title=_("Events"),
        one=_("Event"),
        about=_("Facts in the outbox: what waits, what was published, what was given up."),
        empty=_("There are no events yet. Each user and score that is stored, changed or deleted brings one."),
        label=lambda event: event.event_type,
        columns=[
            Column("event_type", _("Event"), link=True),
            Column("status", _("Status")),
            Column("aggregate_type", _("About")),
            Column("aggregate_id", _("Its id")),
            Column("attempts", _("Attempts")),
            Column("last_error", _("Last error")),
            Column("created_at", _("Created (UTC)"), sort="created"),
        ],
        search=[DomainEvent.event_type, DomainEvent.aggregate_type, DomainEvent.last_error],
        search_hint=_("Part of a type or error, or an id"),
        ids=[DomainEvent.aggregate_id],
        filters=[
            Choice(
                DomainEvent.status,
                {
                    Status.PENDING: _("Pending"),
                    Status.PUBLISHED: _("Published"),
                    Status.DEAD: _("Dead"),
                    Status.DISCARDED: _("Discarded"),
                },
            ),
            Exact(DomainEvent.event_type, _("Event type")),
            Exact(DomainEvent.aggregate_type, _("Aggregate type")),
            Exact(DomainEvent.aggregate_id, _("Aggregate id")),
            Age(DomainEvent.created_at),
            Period(DomainEvent.created_at),
        ],
        tags=frozenset({"status"}),
        sorts={
            # Within a status its index goes on with the time of creation.
            "created": Sort(DomainEvent.id, _("Oldest first"), _("Newest first"), "status", DomainEvent.created_at),
        },
        groups=[
            Group(
                _("Its life"),
                ["status", "created_at", "published_at", "attempts", "next_attempt_at", "last_error"],
            ),
            Group(_("What it is about"), ["event_type", "aggregate_type", "aggregate_id"]),
            Group(_("Where it comes from"), ["trace_id"]),
            Group(_("In the outbox and the stream"), ["seq", "partition", "batch", "stream_id"]),
        ],
        actions=[REDRIVE, REPLAY, DISCARD],
        reference=("aggregate_type", "aggregate_id"),
    )
)
