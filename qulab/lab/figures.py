"""The diagrams of the lab: each names only parts that exist in this repository."""

from collections.abc import Callable, Mapping

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from qulab.lab.diagrams import Diagram, Edge, Node


def architecture() -> Diagram:
    models, pool, queries, cache, outbox = (
        reverse(f"lab:{name}") for name in ("models", "pool", "queries", "cache", "outbox")
    )
    tick = _("a tick every %(seconds)g s") % {"seconds": settings.RELAY_INTERVAL}
    return Diagram(
        name="architecture",
        title=_("The parts of QuLab"),
        text=_(
            "A browser talks to Django over ASGI. Django reads through the cache in Redis and works with the database "
            "through async SQLAlchemy. Celery beat sends a tick to a worker, which runs the relay: it moves pending "
            "events from the database into Redis streams, where a consumer reads them. Another worker runs the "
            "experiments that a page asks for."
        ),
        nodes={
            "browser": Node("plain", _("Browser"), _("plain HTML")),
            "django": Node("app", _("Django"), _("ASGI, async views"), pool),
            "sqlalchemy": Node("app", _("SQLAlchemy"), _("sessions, repositories"), queries),
            "database": Node("database", _("Database"), _("SQLite or PostgreSQL"), models),
            "cache": Node("cache", _("Redis: cache"), _("read-through"), cache),
            "consumer": Node("event", _("Consumer"), _("with an inbox"), outbox),
            "streams": Node("event", _("Redis: streams"), _("CloudEvents"), outbox),
            "relay": Node("event", _("Relay"), _("event publisher"), outbox),
            "beat": Node("app", _("Celery beat"), tick, outbox),
            "broker": Node("cache", _("Redis: broker"), _("queues"), cache),
            "worker": Node("app", _("Celery workers"), _("relay, experiments"), outbox),
        },
        edges=[
            Edge(start="browser", end="django", both=True, label=_("HTTP")),
            Edge(start="django", end="sqlalchemy", label=_("session")),
            Edge(start="sqlalchemy", end="database", both=True, label=_("SQL")),
            Edge(start="django", end="cache", both=True),
            Edge(start="database", end="relay", both=True, label=_("due rows")),
            Edge(start="relay", end="streams", label="XADD"),
            Edge(start="streams", end="consumer"),
            Edge(start="consumer", end="cache", label="DEL"),
            Edge(start="beat", end="broker"),
            Edge(start="broker", end="worker", label=_("tick")),
            Edge(start="worker", end="relay"),
        ],
        wide=["browser django sqlalchemy database", "cache consumer streams relay", ". beat broker worker"],
        narrow=[
            "browser django",
            "cache sqlalchemy",
            "consumer database",
            "streams relay",
            "broker worker",
            "beat .",
        ],
    )


def pool() -> Diagram:
    return Diagram(
        name="pool",
        title=_("A request on its way to the database"),
        text=_(
            "A request that needs the database asks the pool. If a connection is free it gets it at once; else it "
            "waits in line until another request gives one back."
        ),
        nodes={
            "requests": Node("plain", _("Requests"), _("any number")),
            "line": Node("app", _("Waiting line"), _("until the timeout")),
            "pool": Node("app", _("Pool"), _("size + overflow")),
            "database": Node("database", _("Database"), _("a backend for each")),
        },
        edges=[
            Edge(start="requests", end="line", label=_("acquire")),
            Edge(start="line", end="pool", label=_("wait")),
            Edge(start="pool", end="database", both=True, label=_("work")),
        ],
        wide=["requests line pool database"],
        narrow=["requests line", "database pool"],
    )


def repositories() -> Diagram:
    return Diagram(
        name="repositories",
        title=_("Who may say what to whom"),
        text=_(
            "A service asks repositories; each repository owns the SQL of one model; all of them work in the one "
            "session that the service commits."
        ),
        nodes={
            "service": Node("app", _("Service"), _("commits once")),
            "users": Node("app", "UserRepository", _("flushes")),
            "scores": Node("app", "AIRScoreRepository", _("flushes")),
            "events": Node("app", "DomainEventRepository", _("flushes")),
            "all": Node("app", _("Repositories"), _("one for each model")),
            "session": Node("app", "Session", _("the unit of work")),
            "database": Node("database", _("Database")),
        },
        edges=[
            Edge(start="service", end="users", through="columns"),
            Edge(start="service", end="scores"),
            Edge(start="service", end="events", through="columns"),
            Edge(start="users", end="session", through="columns"),
            Edge(start="scores", end="session"),
            Edge(start="events", end="session", through="columns"),
            Edge(start="service", end="all"),
            Edge(start="all", end="session"),
            Edge(start="session", end="database", both=True, label="SQL"),
        ],
        wide=[". users . .", "service scores session database", ". events . ."],
        narrow=["service all", "database session"],
    )


def read_through() -> Diagram:
    return Diagram(
        name="read-through",
        title=_("A read through the cache"),
        text=_(
            "A reader asks Redis first. A hit returns the snapshot. On a miss one reader takes a lease, loads from the "
            "database, fills the cache and returns the snapshot. A commit that changes the row deletes the key."
        ),
        nodes={
            "reader": Node("app", _("Reader"), "get_by_id_cached"),
            "redis": Node("cache", _("Redis"), "GET user:{id}"),
            "snapshot": Node("app", _("Snapshot"), _("frozen value")),
            "lease": Node("cache", _("Lease"), _("one loader for a key")),
            "load": Node("database", _("Load"), _("a session of its own")),
            "write": Node("app", _("Commit"), _("of a change")),
        },
        edges=[
            Edge(start="reader", end="redis"),
            Edge(start="redis", end="snapshot", label=_("hit")),
            Edge(start="redis", end="lease", label=_("miss")),
            Edge(start="lease", end="load"),
            Edge(start="load", end="snapshot", label=_("fill")),
            Edge(start="write", end="redis", label="DEL"),
        ],
        wide=[". write .", "reader redis snapshot", ". lease load"],
        narrow=["reader write", "redis snapshot", "lease load"],
    )


def outbox() -> Diagram:
    return Diagram(
        name="outbox",
        title=_("The way of an event"),
        text=_(
            "A service stores a score and its pending event in one transaction. The relay reads due rows, adds them to "
            "a Redis stream in one call, and marks them published in a second transaction. A consumer reads the stream "
            "and notes each event in its inbox."
        ),
        nodes={
            "form": Node("plain", _("Request"), _("a score, please")),
            "service": Node("app", _("One transaction"), _("score + event")),
            "outbox": Node("database", "domain_events", _("pending → published")),
            "relay": Node("event", _("Relay"), _("pass by pass")),
            "stream": Node("event", "events:AIRScore", _("a Redis stream")),
            "consumer": Node("event", _("Consumer"), _("at least once")),
            "inbox": Node("database", "inbox", _("what was handled")),
        },
        edges=[
            Edge(start="form", end="service"),
            Edge(start="service", end="outbox", label="COMMIT"),
            Edge(start="outbox", end="relay", both=True, label=_("due")),
            Edge(start="relay", end="stream", label=_("one call")),
            Edge(start="stream", end="consumer"),
            Edge(start="consumer", end="inbox"),
        ],
        wide=["form service outbox relay", ". inbox consumer stream"],
        narrow=["form service", "relay outbox", "stream .", "consumer inbox"],
    )


FIGURES: Mapping[str, Callable[[], Diagram]] = {
    "architecture": architecture,
    "pool": pool,
    "repositories": repositories,
    "read-through": read_through,
    "outbox": outbox,
}
