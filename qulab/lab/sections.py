"""The five sections in their order, and the page beside them: what each promises, takes and teaches."""

import msgspec
from django.utils.translation import gettext as _

THE_TEST = 0  # in the place of a section's number


class Section(msgspec.Struct, frozen=True):
    number: int
    url_name: str
    title: str
    promise: str
    minutes: int
    concept: str
    objectives: list[str]


def sections() -> list[Section]:
    return [
        Section(
            1,
            "lab:models",
            _("Data models"),
            _("Store one user, and see each statement that it takes."),
            8,
            "database",
            [
                _("Name the relationship types of SQLAlchemy, and which of them a schema needs."),
                _("Read a table's keys, indexes and cascades from its metadata."),
                _("Say what the database refuses, and where a person is told."),
            ],
        ),
        Section(
            2,
            "lab:pool",
            _("Connections and pool"),
            _("Load pools of growing size, and find the one beyond which nothing gets faster."),
            7,
            "app",
            [
                _("Explain what a pool saves, and what its limits cost."),
                _("Measure throughput and waiting time under concurrent load."),
                _("Recognise a forgotten await by what it returns."),
            ],
        ),
        Section(
            3,
            "lab:queries",
            _("Repositories and N+1"),
            _("Ask for the same rows in four ways; count what was sent."),
            10,
            "database",
            [
                _("Put the SQL of a model behind a repository, and the commit into a service."),
                _("Tell a loop that sends N+1 statements from one that sends two."),
                _("Choose between selectinload and joinedload by measurement."),
            ],
        ),
        Section(
            4,
            "lab:cache",
            _("Caching with Redis"),
            _("Read a profile twice; see where the second answer came from."),
            12,
            "cache",
            [
                _("List the data structures of Redis, and what each is for."),
                _("Work out the hit ratio and the mean access time from measured values."),
                _("Say what makes a cached value stale, and what removes it."),
            ],
        ),
        Section(
            5,
            "lab:outbox",
            _("Events and the outbox"),
            _("Follow one event from the commit to its consumer."),
            15,
            "event",
            [
                _("Explain why a row and its event belong in one transaction."),
                _("Stop the publisher, and see that nothing is lost."),
                _("Say what a consumer has to expect of delivery at least once."),
            ],
        ),
    ]


def the_test() -> Section:
    """No section, and built as one: how good is the test of the platform that the sections are about?"""
    return Section(
        THE_TEST,
        "lab:test",
        _("How good is the test?"),
        _("Let people take it whose abilities are known, and hold what it says of them against the truth."),
        6,
        "app",
        [
            _("Say what bias, RMSE and coverage of an estimate are, and read them off a plot."),
            _("Explain what an adaptive test saves, and what it pays for not knowing the truth."),
            _("Tell what a simulation proves of a test, and what it cannot."),
        ],
    )


def section(number: int) -> Section:
    return the_test() if number == THE_TEST else sections()[number - 1]
