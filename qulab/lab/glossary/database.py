"""Words of tables, sessions, connections and statements."""

from django.utils.translation import gettext as _

from qulab.lab.glossary.word import Word


def words() -> list[Word]:
    return [
        Word(
            "cascade",
            _("Cascade"),
            _(
                "What happens to the rows that point at one which is deleted. The foreign key says it, the "
                "database does it."
            ),
            1,
        ),
        Word(
            "constraint",
            _("Constraint"),
            _("A rule that a table keeps by itself, whoever writes: unique, not null, in a list of values."),
            1,
        ),
        Word(
            "flush",
            _("Flush"),
            _("Send what the session has gathered, and stay in the transaction. Errors of constraints show up here."),
            1,
        ),
        Word(
            "migration",
            _("Migration"),
            _("A numbered step from one shape of the tables to the next, the same for each database."),
            1,
        ),
        Word(
            "snapshot",
            _("Snapshot"),
            _(
                "A frozen copy of a row's values. Templates and the cache get these, so that nothing loads or "
                "saves behind one's back."
            ),
            1,
        ),
        Word(
            "unit-of-work",
            _("Unit of work"),
            _("The session: it collects what changed, and one commit makes all of it true or none."),
            1,
            "AsyncSession",
        ),
        Word(
            "await",
            "await",
            _(
                "Where a coroutine lets others run while it waits. Without it, a call returns a coroutine and "
                "does nothing."
            ),
            2,
        ),
        Word(
            "event-loop",
            _("Event loop"),
            _("One thread that goes round among coroutines, and runs whichever has something to do."),
            2,
        ),
        Word(
            "knee",
            _("Knee"),
            _(
                "The point of a curve past which more brings nearly nothing. In section 2: the smallest pool that "
                "reaches nine tenths of the best throughput."
            ),
            2,
        ),
        Word(
            "littles-law",
            _("Little's law"),
            _(
                "Requests in a system = their rate × the time each stays. With the connections given, it says "
                "what rate cannot be passed."
            ),
            2,
        ),
        Word(
            "overflow",
            _("Overflow"),
            _("Connections that the pool opens beyond its size under load, and closes when they come back."),
            2,
        ),
        Word(
            "pool",
            _("Pool"),
            _("A bounded set of open connections that requests take turns with."),
            2,
            _("connection pool"),
        ),
        Word(
            "throughput",
            _("Throughput Θ"),
            _("What is finished in a second: requests, rows or events, as the page says."),
            2,
        ),
        Word(
            "eager-loading",
            _("Eager loading"),
            _("Related rows are asked for along with their parent, by a join or by a second statement with IN."),
            3,
            "selectinload, joinedload",
        ),
        Word(
            "explain",
            "EXPLAIN",
            _(
                "The database's own account of how it means to answer a statement: which index, which order, "
                "which scan."
            ),
            3,
        ),
        Word(
            "lazy-loading",
            _("Lazy loading"),
            _(
                "Related rows are asked for at the moment some code touches them. Refused here, unless an "
                "experiment wants it."
            ),
            3,
        ),
        Word(
            "n-plus-one",
            "N+1",
            _("One statement for N rows, and one more for each of them. Seldom written on purpose."),
            3,
        ),
        Word(
            "repository",
            _("Repository"),
            _("The one place that holds the SQL of a model. It flushes; it never commits."),
            3,
        ),
        Word("selector", _("Selector"), _("A use case that reads: it returns snapshots and changes nothing."), 3),
        Word(
            "service",
            _("Service"),
            _("A use case that writes: it loads, decides, adds its event, and commits once."),
            3,
        ),
        Word(
            "waterfall",
            _("Waterfall"),
            _("Statements as bars under each other, each drawn when it ran: what could run together stands out."),
            3,
        ),
    ]
