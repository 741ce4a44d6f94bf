"""Words of the test that people take, and of how good it is."""

from django.utils.translation import gettext as _

from qulab.lab.glossary.word import Word


def words() -> list[Word]:
    return [*_of_the_test(), *_of_the_estimate(), *_of_the_simulation()]


def _of_the_test() -> list[Word]:
    return [
        Word(
            "adaptive-test",
            _("Adaptive test"),
            _("A test whose next question follows from the answers so far: who knows much is not asked what is easy."),
            0,
            "CAT",
        ),
        Word(
            "assessment",
            _("Assessment"),
            _("A sitting's run through one component, until the estimate is precise, or 15 questions are asked."),
            1,
        ),
        Word(
            "component",
            _("Component"),
            _("One of the three things the test measures: AI fluency, applied domain reasoning, adaptive capacity."),
            0,
        ),
        Word(
            "item",
            _("Item"),
            _("A question of the bank with its key, its rationale and its level. What is shown of it holds no key."),
            0,
        ),
        Word(
            "item-bank",
            _("Item bank"),
            _("All items of one version. A version that was released is told by its hash, and never changed."),
            0,
        ),
        Word(
            "level",
            _("Level"),
            _("How hard an item is, from −2 to 2 on the scale of θ: declared by its authors, calibrated on nobody."),
            0,
            _("difficulty b"),
        ),
        Word(
            "response",
            _("Response"),
            _("One question of an assessment, from the moment it is shown. Its answer joins it later, and once."),
            1,
        ),
        Word(
            "sitting",
            _("Sitting"),
            _("One person's run through the whole test, on one version of the bank; nobody is in two at once."),
            1,
        ),
    ]


def _of_the_estimate() -> list[Word]:
    return [
        Word(
            "ability",
            _("Ability θ"),
            _("What an assessment estimates: a place on a scale on which people lie around 0 with a deviation of 1."),
            0,
        ),
        Word(
            "air-score",
            _("AI-R score"),
            _("How ready a person is to work with AI, 0 to 100: abilities, and figures of an occupation, weighted."),
            0,
        ),
        Word(
            "eap",
            _("EAP"),
            _("The mean of the posterior: what the answers, and what was likely before them, leave likely of θ."),
            0,
            _("expected a posteriori"),
        ),
        Word(
            "information",
            _("Information"),
            _("How much an item tells of θ at a place: most where it is as hard as that, less if it can be guessed."),
            0,
            "Fisher",
        ),
        Word(
            "interval",
            _("Interval"),
            _("Where the true score lies for 95 of 100 people who answer like this: the error of measurement alone."),
            0,
            "95 %",
        ),
        Word(
            "posterior-sd",
            _("Posterior SD"),
            _("How much doubt the answers leave about θ. An assessment stops when it is at most 0.50."),
            0,
            "PSD",
        ),
    ]


def _of_the_simulation() -> list[Word]:
    return [
        Word(
            "bias",
            _("Bias"),
            _("How far estimates lie from the truth on average. Errors both ways cancel out in it."),
            0,
        ),
        Word(
            "coverage",
            _("Coverage"),
            _("The share of intervals that hold the truth. Where 95 % is promised, it should be 95 %."),
            0,
        ),
        Word(
            "exposure",
            _("Exposure"),
            _("The share of people to whom an item is shown. What all have seen is soon known."),
            0,
        ),
        Word(
            "rmse",
            "RMSE",
            _("The root of the mean squared error: how far an estimate lies from the truth, as a rule."),
            0,
            _("root mean squared error"),
        ),
    ]
