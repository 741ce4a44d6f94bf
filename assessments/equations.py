"""Each step of the formula stands on the page twice: as it is, and with this score's numbers put in, in LaTeX.

Numbers are rounded for the eye after a step was reckoned, so the last digit of a sum may differ.
"""

from collections.abc import Iterator

import msgspec
from django.utils.translation import gettext as _

from assessments.occupations import HRWeights
from assessments.outcomes import ComponentResult
from assessments.results import Figures, Result
from assessments.shares import Calculation

SYNERGY, AIR = r"\text{Synergy}", r"\text{AI-R}"


class Equation(msgspec.Struct, frozen=True):
    """`words` say what the step is for; `formula` and `values` are LaTeX."""

    title: str
    words: str
    formula: str
    values: str


def equations(result: Result) -> list[Equation]:
    """From the components to the score and its interval; none where the formula is not known."""
    return list(_each(result, result.calculation)) if result.calculation else []


def _each(result: Result, calculation: Calculation) -> Iterator[Equation]:
    yield _person(result, calculation)
    yield _occupation(result.score.hr_score, result.figures)
    yield _synergy(result)
    yield _score(result, calculation)
    yield _interval(result, calculation)


def _person(result: Result, calculation: Calculation) -> Equation:
    first, *others = (_times(one.weight, one.combined) for one in result.components)
    words = _(
        "What the test says: the three components by their weights. A component by itself is drawn towards the middle, "
        "50. Here it is drawn towards what the other two let one expect instead, as abilities of one person go "
        "together (ρ = %(correlation)s). %(each)s."
    )
    each = "; ".join(map(_alone_and_here, result.components))
    return Equation(
        _("The person"),
        words % {"correlation": f"{calculation.parameters.correlation:g}", "each": each},
        r"V^R = \sum_k w_k \, S_k^{*}",
        _lines(f"V^R = {first} + {others[0]}", f"+ {others[1]} = {result.score.vr_score:.2f}"),
    )


def _alone_and_here(one: ComponentResult) -> str:
    words = _("%(title)s: %(alone)s by itself, %(here)s here")
    return words % {"title": one.title, "alone": f"{one.span.value:.1f}", "here": f"{one.combined:.1f}"}


def _occupation(hr: float, figures: Figures | None) -> Equation:
    words = _("What the occupation says: where it stands among the others, by growth, wage and exposure to AI.")
    formula = r"H^R = w_g \, P_{\text{growth}} + w_w \, P_{\text{wage}} + w_e \, P_{\text{exposure}}"
    values = _of_figures(hr, figures, figures.weights) if figures else f"H^R = {hr:.2f}"
    return Equation(_("The occupation"), words, formula, values)


def _of_figures(hr: float, figures: Figures, by: HRWeights) -> str:
    growth = _times(by.growth, figures.growth_percentile)
    wage = _times(by.wage, figures.wage_percentile)
    exposure = _times(by.exposure, figures.exposure_percentile)
    return _lines(f"H^R = {growth} + {wage}", f"+ {exposure} = {hr:.2f}")


def _synergy(result: Result) -> Equation:
    score = result.score
    words = _(
        "What the two add together: high only where both are. Alignment A, how well a person suits the occupation, is "
        "not measured, and stands as 1."
    )
    values = rf"{SYNERGY} = \frac{{{_times(score.vr_score, score.hr_score)}}}{{100}} \times 1"
    return Equation(
        _("Synergy"),
        words,
        rf"{SYNERGY} = \frac{{V^R \times H^R}}{{100}} \times A",
        _lines(values, f"= {score.synergy_score:.2f}"),
    )


def _score(result: Result, calculation: Calculation) -> Equation:
    score, by = result.score, calculation.parameters
    person, occupation = _times(by.alpha, score.vr_score), _times(1 - by.alpha, score.hr_score)
    return Equation(
        _("The score"),
        _("All three together, as far as the scale goes."),
        rf"{AIR} = \alpha \, V^R + (1 - \alpha) \, H^R + \beta \, {SYNERGY}",
        _lines(f"{AIR} = {person} + {occupation}", f"+ {_times(by.beta, score.synergy_score)} = {calculation.raw:.2f}"),
    )


def _interval(result: Result, calculation: Calculation) -> Equation:
    by = calculation.parameters
    words = _(
        "How far measurement error reaches, for this occupation and these weights: 1.96 times the standard error of V, "
        "as much of it as enters the score."
    )
    enters = rf"{by.alpha:.2f} + {by.beta:.2f} \times \frac{{{result.score.hr_score:.2f}}}{{100}}"
    return Equation(
        _("The interval"),
        words,
        rf"{AIR} \; \pm \; 1.96 \, \left(\alpha + \beta \, \frac{{H^R}}{{100}}\right) \, SE_V",
        _lines(
            rf"\pm \, 1.96 \times \left({enters}\right)",
            rf"\times {calculation.vr_se:.2f} = \pm {calculation.half_width:.2f}",
        ),
    )


def _times(left: float, right: float) -> str:
    return rf"{left:.2f} \times {right:.2f}"


def _lines(first: str, second: str) -> str:
    """On two lines, for which a phone has room."""
    return rf"\begin{{array}}{{l}} {first} \\ \quad {second} \end{{array}}"
