"""A wrong answer is told why it is wrong, never which one is right: the learner may look again and choose again."""

from typing import Self

import msgspec
from django.utils.translation import gettext as _

from qulab.lab.learner.progress import Learner, Outcome
from qulab.lab.sections import Section, sections


class Choice(msgspec.Struct, frozen=True):
    """`why` it is right or wrong."""

    key: str
    label: str
    why: str


class Checkpoint(msgspec.Struct, frozen=True):
    """The question at the end of a section; `name` is that of the section's address."""

    name: str
    question: str
    choices: list[Choice]
    right: str

    def choice(self, key: str) -> Choice | None:
        return next((one for one in self.choices if one.key == key), None)

    @property
    def section(self) -> Section:
        return next(one for one in sections() if one.url_name == f"lab:{self.name}")


class Asked(msgspec.Struct, frozen=True):
    """A checkpoint as its learner sees it; `chosen` is None where only the outcome is known from an earlier visit."""

    checkpoint: Checkpoint
    outcome: Outcome | None
    chosen: Choice | None
    problem: str = ""

    @classmethod
    def of(cls, learner: Learner, checkpoint: Checkpoint, chosen: str = "", problem: str = "") -> Self:
        outcome = learner.checkpoints.get(checkpoint.name)
        key = checkpoint.right if outcome is Outcome.RIGHT else chosen
        is_so = outcome is Outcome.of(key == checkpoint.right)  # an address can name any answer
        return cls(checkpoint, outcome, checkpoint.choice(key) if is_so else None, problem)


def checkpoint(name: str) -> Checkpoint:
    """Raises KeyError for a name that no section has."""
    return {one.name: one for one in checkpoints()}[name]


def checkpoints() -> list[Checkpoint]:
    return [_models(), _pool(), _queries(), _cache(), _outbox()]


def _models() -> Checkpoint:
    return Checkpoint(
        "models",
        _(
            "Two requests store a user with the same email at the same moment. Both forms are valid. "
            "What is there then?"
        ),
        [
            Choice(
                "two",
                _("Two users: each form was checked before the other row was there."),
                _("A form alone would let both through, for just that reason. But the column has a unique index."),
            ),
            Choice(
                "form",
                _("One user: the second form was refused."),
                _("Both forms were valid. They ask for the shape of an address, and know nothing of other requests."),
            ),
            Choice(
                "index",
                _("One user: the unique index refused the second INSERT."),
                _(
                    "The index is the only one that sees both. Its error becomes a Conflict that names the field, "
                    "and the page tells it there, as it tells any other mistake."
                ),
            ),
            Choice(
                "none",
                _("None: the database rolled both back."),
                _("A transaction stands for itself. The first one committed; nothing that follows takes it back."),
            ),
        ],
        "index",
    )


def _pool() -> Checkpoint:
    return Checkpoint(
        "pool",
        _(
            "Each request holds a connection for 20 ms, and 30 connections may be open. "
            "How many requests a second can this process serve at most?"
        ),
        [
            Choice("50", "50", _("That is what one connection serves: 1 ÷ 0.020 s. There are thirty of them.")),
            Choice("600", "600", _("30 × 20 has no meaning here. A shorter time must give more requests, not fewer.")),
            Choice(
                "1500",
                "1500",
                _(
                    "30 ÷ 0.020 s. Little's law, solved for the rate: what is in the system, divided by how long it "
                    "stays. What you measure lies below, by what the sessions themselves cost."
                ),
            ),
            Choice(
                "all",
                _("As many as come: the pool lets them queue."),
                _("A queue grows when more come than leave. It changes who waits, and not how many leave."),
            ),
        ],
        "1500",
    )


def _queries() -> Checkpoint:
    return Checkpoint(
        "queries",
        _(
            "A page lists 50 users with the three latest scores of each. A user has some 2000 scores. "
            "Which way sends few statements and few rows?"
        ),
        [
            Choice(
                "lazy",
                _("Load the users; touch the scores of each in a loop."),
                _("51 statements, and all 100,000 scores: the loop loads what it then leaves out."),
            ),
            Choice(
                "joined",
                "joinedload",
                _("One statement, 100,000 rows, and the user's columns again in each of them."),
            ),
            Choice(
                "selectin",
                "selectinload",
                _("Two statements: as few as one could wish. The second one still brings all 100,000 scores."),
            ),
            Choice(
                "window",
                _("A query of its own that numbers the scores of each user and keeps three."),
                _(
                    "One statement for the users, one for 150 rows. Loading a relationship means loading all of it; "
                    "who needs a part writes the query for that part, in the repository."
                ),
            ),
        ],
        "window",
    )


def _cache() -> Checkpoint:
    return Checkpoint(
        "cache",
        _(
            "A look into Redis takes 0.3 ms, a load from the database 3 ms, and a miss pays for both. "
            "From which hit ratio on is the cache quicker than none?"
        ),
        [
            Choice(
                "0", _("From 0: it can only help."), _("At H = 0 each read takes 0.3 + 3 = 3.3 ms, and without it 3.")
            ),
            Choice(
                "0.1",
                _("From 0.1 on."),
                _(
                    "0.3 + (1 − H) × 3 = 3 gives H = 0.1: one hit in ten pays for all the looks. And what the database "
                    "is spared is often worth more than what the reader gains."
                ),
            ),
            Choice(
                "0.5",
                _("From 0.5 on."),
                _("At H = 0.5 the mean is 0.3 + 0.5 × 3 = 1.8 ms: it has been quicker for a good while."),
            ),
            Choice("0.9", _("From 0.9 on."), _("At H = 0.9 the mean is 0.6 ms, a fifth of what the database takes.")),
        ],
        "0.1",
    )


def _outbox() -> Checkpoint:
    return Checkpoint(
        "outbox",
        _(
            "The relay is killed right after Redis took a batch, and before its rows are marked published. "
            "What does the next pass do?"
        ),
        [
            Choice(
                "lost",
                _("Nothing: these events are lost."),
                _(
                    "Their rows are still there and pending, since nobody marked them. "
                    "Nothing is lost with the process."
                ),
            ),
            Choice(
                "twice",
                _("It appends them again, and the stream has each event twice."),
                _(
                    "A relay that only remembers rows would do so, and delivery at least once allows it. This one "
                    "sends the number of the batch along, and Redis compares it with the number it holds."
                ),
            ),
            Choice(
                "blind",
                _("It marks the rows published without asking Redis."),
                _("It cannot know how far the dead one came. To mark what Redis may not hold would lose events."),
            ),
            Choice(
                "batch",
                _("It sends the batch again; Redis knows its number and answers with the entries it has."),
                _(
                    "So the rows are marked with the entries they have had all along, and the stream holds each event "
                    "once. A consumer keeps its inbox all the same: its own process may die before it acknowledges."
                ),
            ),
        ],
        "batch",
    )
