"""Words of what is measured, and how it is told."""

from django.utils.translation import gettext as _

from qulab.lab.glossary.word import Word


def words() -> list[Word]:
    return [
        Word(
            "experiment",
            _("Experiment"),
            _("What a section measures: bounded input, scratch data of its own, a result that is saved."),
            0,
        ),
        Word(
            "median",
            _("Median"),
            _("The middle of the readings in order. One slow reading does not move it, as it would a mean."),
            0,
            "p50",
        ),
        Word(
            "p95",
            "p95",
            _("The time that 95 of 100 readings stay below: what an unlucky reader waits."),
            0,
            _("percentile"),
        ),
        Word(
            "run",
            _("Run"),
            _("One execution of an experiment, with its input, its machine and its raw readings. It has an address."),
            0,
        ),
        Word("sample", _("Sample"), _("One raw reading of a run, before anything is averaged."), 0),
        Word(
            "sse",
            _("Server-sent events"),
            _("A response that does not end: the server goes on writing, and the page reads as it comes."),
            0,
            "SSE",
        ),
    ]
