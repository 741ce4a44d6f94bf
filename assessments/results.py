"""A result says only what is stored with its score; what this release cannot read of that, it names and leaves out.

It is made of a score's snapshot, of its calculation metadata and of the bank of that version: today's bank, weights and
occupations change nothing in it.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from assessments.advice import Recommendation, recommendations
from assessments.bank import Bank, BankError, Subdomain, bank
from assessments.estimation import Ability, Floats, probability, shrinkage
from assessments.occupations import HRWeights, Occupation
from assessments.outcomes import ComponentResult, Span, SubdomainResult
from assessments.scoring import (
    COMPONENTS,
    INPUT_VERSION,
    KNOWN,
    Z_95,
    Answers,
    Parameters,
    Score,
    UnknownFormula,
    component_score,
    half_width,
    readiness,
    recalculate,
)
from assessments.shares import Calculation, Unreachable, cut_off, shares_sentence, unreachable
from assessments.snapshots import AIRScoreSnapshot

# What reading metadata may end in that another release wrote, or a hand.
UNREADABLE = (ValueError, LookupError, TypeError, ArithmeticError, UnknownFormula, BankError)

Told = TypeVar("Told")
Given = TypeVar("Given")


class Lack(StrEnum):
    """Why some of a result cannot be shown."""

    FORMULA = "formula"  # another release's
    METADATA = "metadata"
    ANSWERS = "answers"  # abilities were given, not tested
    BANK = "bank"


LACKS: dict[Lack, Promise] = {
    Lack.FORMULA: gettext_lazy(
        "This score was calculated by a formula that this release does not know. What is stored is shown as it is; "
        "components, subdomains, recommendations and the figures of the occupation cannot be read from it."
    ),
    Lack.METADATA: gettext_lazy(
        "What this score was calculated from is not stored with it in a form that this release can read. The score and "
        "its parts are shown as they are stored; components, subdomains, recommendations and the figures of the "
        "occupation are missing."
    ),
    Lack.ANSWERS: gettext_lazy(
        "The three abilities behind this score were given, not tested. So there are no questions, no subdomains and no "
        "recommendations, and the interval takes for granted that each ability is known to half a standard deviation."
    ),
    Lack.BANK: gettext_lazy(
        "The questions of this test do not stand in this release as they were asked. So the subdomains and the "
        "recommendations are missing; the score and its components stand."
    ),
}


class Figures(Occupation, frozen=True):
    """An occupation as it stood when the score was calculated."""

    weights: HRWeights
    sources: dict[str, str]

    @property
    def growth(self) -> str:
        return f"{self.growth_percent:+.1f}".replace("-", "−")

    @property
    def wage(self) -> str:
        return f"${self.wage_usd:,}"


class Result(msgspec.Struct, frozen=True):
    score: AIRScoreSnapshot
    lack: Lack | None
    calculation: Calculation | None = None
    components: list[ComponentResult] = []
    figures: Figures | None = None
    bank_version: str = ""

    @property
    def span(self) -> Span:
        return Span(self.score.air_score, self.score.ci_lower, self.score.ci_upper)

    @property
    def subdomains(self) -> list[SubdomainResult]:
        """None where the questions cannot be told one by one."""
        return [one for component in self.components for one in component.subdomains]

    @property
    def recommendations(self) -> list[Recommendation]:
        return recommendations(self.components)

    @property
    def lack_sentence(self) -> str:
        return str(LACKS[self.lack]) if self.lack else ""

    @property
    def shares(self) -> Calculation | None:
        """None where the stored parts do not add up to the stored score."""
        return self.calculation if self.calculation and self.calculation.gives(self.score.air_score) else None

    @property
    def shares_sentence(self) -> str:
        return shares_sentence(self.shares, is_given=self.lack is Lack.ANSWERS) if self.shares else ""

    @property
    def unreachable(self) -> list[Unreachable]:
        return unreachable(self.span, self.shares.reach) if self.shares else []

    @property
    def ends(self) -> list[str]:
        """Where the score cannot be, and what the scale cut off, in sentences."""
        return [one.sentence for one in self.unreachable] + cut_off(self.span, self.calculation)

    @property
    def comes_out_again(self) -> bool | None:
        """Whether the metadata alone gives the stored row; None where this release cannot calculate it."""
        again = _read(recalculate, self.score.calculation_metadata)
        return None if again is None else _is_of(again, self.score)


def result_of(score: AIRScoreSnapshot) -> Result:
    """What can be told of a score. Whatever its metadata is, it raises nothing."""
    if score.parameter_version not in KNOWN:
        return Result(score, Lack.FORMULA)
    return _read(_whole, score) or Result(score, Lack.METADATA)


def _is_of(again: Score, stored: AIRScoreSnapshot) -> bool:
    """Whether all that a row says stands in what was calculated again, to the last digit."""
    occupation = again.metadata.get("occupation", {"code": stored.occupation_code})  # given abilities name none
    calculated = (again.air, again.vr, again.hr, again.synergy, again.ci_lower, again.ci_upper)
    row = (stored.air_score, stored.vr_score, stored.hr_score, stored.synergy_score, stored.ci_lower, stored.ci_upper)
    told = (again.metadata["parameter_version"], occupation["code"])
    kept = stored.calculation_metadata
    shown = all(again.metadata[name] == kept.get(name) for name in ("abilities", "vr_se", "clipped"))
    return shown and calculated == row and told == (stored.parameter_version, stored.occupation_code)


# --- Reading the metadata --------------------------------------------------------------------------------------------


class _Three(msgspec.Struct, frozen=True):
    fluency: Any
    domain: Any
    adaptive: Any

    def each(self, kind: type[Told]) -> list[Told]:
        """In the order of COMPONENTS."""
        return [msgspec.convert(getattr(self, name), kind) for name in COMPONENTS]


class _Formula(msgspec.Struct, frozen=True):
    abilities: _Three
    weights: _Three
    correlation: float
    alpha: float
    beta: float
    hr: float

    @property
    def parameters(self) -> Parameters:
        fluency, domain, adaptive = self.weights.each(float)
        return Parameters((fluency, domain, adaptive), self.correlation, self.alpha, self.beta)

    def readiness(self, parameters: Parameters) -> tuple[float, float]:
        """V^R and its standard error."""
        abilities = self.abilities.each(Ability)
        vr, vr_se = readiness(_row([one.theta for one in abilities]), _row([one.sd for one in abilities]), parameters)
        return vr.item(), vr_se.item()

    def calculation(self, score: AIRScoreSnapshot) -> Calculation:
        by = self.parameters
        _vr, vr_se = self.readiness(by)
        margin = half_width(self.hr, vr_se, by)
        return Calculation(by, score.vr_score, score.hr_score, score.synergy_score, vr_se, margin)

    def components(self) -> list[ComponentResult]:
        by = self.parameters
        return [
            ComponentResult(name, by.weights[number], _span(ability), self._combined(number))
            for number, (name, ability) in enumerate(zip(COMPONENTS, self.abilities.each(Ability), strict=True))
        ]

    def _combined(self, number: int) -> float:
        """A component's part of V^R before it is weighted."""
        first, second, third = (float(one == number) for one in range(3))
        return self.readiness(msgspec.structs.replace(self.parameters, weights=(first, second, third)))[0]


def _row(values: Sequence[float]) -> Floats:
    return np.array([values])


def _span(ability: Ability) -> Span:
    """S_k ± 1.96·50/3·PSD, as far as the scale goes."""
    value, low, high = (float(component_score(ability.theta + sign * Z_95 * ability.sd)) for sign in (0, -1, 1))
    return Span(value, low, high)


class _Model(msgspec.Struct, frozen=True):
    a: float
    difficulty_sd: float

    @property
    def slope(self) -> float:
        return self.a * shrinkage(self.a, self.difficulty_sd)


class _Tested(msgspec.Struct, frozen=True):
    abilities: _Three
    model: _Model
    bank: dict[str, str]
    answers: _Three
    occupation: Figures


def _whole(score: AIRScoreSnapshot) -> Result:
    metadata = score.calculation_metadata
    formula = msgspec.convert(metadata, _Formula)
    calculation, components = formula.calculation(score), formula.components()
    if score.parameter_version == INPUT_VERSION:
        return Result(score, Lack.ANSWERS, calculation, components)
    tested = msgspec.convert(metadata, _Tested)
    asked = _read(lambda one: _with_subdomains(components, one), tested)
    lack = Lack.BANK if asked is None else None
    return Result(score, lack, calculation, asked or components, tested.occupation, tested.bank["version"])


def _read(by: Callable[[Given], Told], what: Given) -> Told | None:
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return by(what)
    except UNREADABLE:
        return None


def _with_subdomains(components: Sequence[ComponentResult], tested: _Tested) -> list[ComponentResult]:
    """Raises LookupError where the bank is not the one that was asked from."""
    asked_from = bank(tested.bank["version"])
    if asked_from.sha256 != tested.bank["sha256"]:
        raise LookupError(f"bank {asked_from.version} was another one")
    each = zip(components, tested.abilities.each(Ability), tested.answers.each(Answers), strict=True)
    return [
        _with_answers(component, asked_from, answers, _chances(ability.theta, answers, tested.model))
        for component, ability, answers in each
    ]


def _chances(theta: float, answers: Answers, model: _Model) -> list[float]:
    """P of each question asked."""
    chances: list[float] = probability(theta, model.slope, np.array(answers.b), np.array(answers.c)).tolist()
    return chances


def _with_answers(
    component: ComponentResult, asked_from: Bank, answers: Answers, chances: Sequence[float]
) -> ComponentResult:
    names = [asked_from.subdomain_of[item].name for item in answers.items]
    rows = list(zip(names, answers.items, answers.right, chances, strict=True))
    described = asked_from.component(component.name)
    found = []
    for subdomain in described.subdomains:
        mine = [(item, right, chance) for name, item, right, chance in rows if name == subdomain.name]
        found.append(_subdomain(asked_from, subdomain, mine))
    return msgspec.structs.replace(component, about=described.about, subdomains=found)


def _subdomain(asked_from: Bank, told: Subdomain, answers: Sequence[tuple[str, bool, float]]) -> SubdomainResult:
    missed = [asked_from.items[item].level for item, right, _chance in answers if not right]
    return SubdomainResult(
        name=told.name,
        title=told.title,
        about=told.about,
        practise=asked_from.sheets[told.name].practise,
        asked=len(answers),
        right=len(answers) - len(missed),
        expected=sum(chance for _item, _right, chance in answers),
        missed_levels=missed,
    )
