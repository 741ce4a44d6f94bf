"""Scores of people who took the test in a moment: real items, real selection, and a seed in the place of the person."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from assessments.bank import bank
from assessments.estimation import Ability
from assessments.models import AIRScore
from assessments.occupations import find
from assessments.pools import pool_of
from assessments.scoring import COMPONENTS, Answers, Score, score, score_test
from assessments.simulation import Chance, take
from assessments.snapshots import AIRScoreSnapshot, ListedScore
from qulab.db.base import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVELOPER = "15-1252"


def of_person(fluency: float, domain: float, adaptive: float, *, seed: int = 1, occupation: str = DEVELOPER) -> Score:
    """The score of somebody of these abilities."""
    random = np.random.default_rng(seed)
    each = zip(COMPONENTS, (fluency, domain, adaptive), strict=True)
    return of_answers({name: _answers(name, theta, random) for name, theta in each}, occupation)


def of_answers(answers: dict[str, Answers], occupation: str = DEVELOPER) -> Score:
    released = bank()
    return score_test(answers, find(occupation), {"version": released.version, "sha256": released.sha256})


def all_answers(*, right: bool) -> dict[str, Answers]:
    """All questions of a test right, or all of them wrong: two of each subdomain."""
    return {name: _chosen(name, [right] * 8) for name in COMPONENTS}


def of_abilities(*thetas: float, occupation: str = DEVELOPER) -> Score:
    """A score of abilities that nobody was tested for."""
    abilities = {name: Ability(theta, 0.5) for name, theta in zip(COMPONENTS, thetas, strict=True)}
    return score(abilities, find(occupation).hr_score)


def row(result: Score, **fields: Any) -> AIRScore:
    """As the services store it; without an owner where `fields` name none."""
    told = {
        "occupation_code": result.metadata.get("occupation", {}).get("code", DEVELOPER),
        "air_score": result.air,
        "vr_score": result.vr,
        "hr_score": result.hr,
        "synergy_score": result.synergy,
        "ci_lower": result.ci_lower,
        "ci_upper": result.ci_upper,
        "parameter_version": result.metadata["parameter_version"],
        "calculation_metadata": result.metadata,
    }
    return AIRScore(**{**told, **fields})


def snapshot(result: Score, **fields: Any) -> AIRScoreSnapshot:
    """As a page gets it."""
    times = {"created_at": NOON, "updated_at": NOON}
    return AIRScoreSnapshot.of(row(result, **{"id": new_id(), "user_id": new_id(), **times, **fields}))


def listed(result: Score, **fields: Any) -> ListedScore:
    """As a list gets it."""
    told = snapshot(result, **fields)
    return ListedScore(**{name: getattr(told, name) for name in ListedScore.__struct_fields__})


def _answers(component: str, theta: float, random: np.random.Generator) -> Answers:
    pool = pool_of(component)
    test = take(pool.pool, np.array([theta]), Chance.of(random, 1))
    length = int(test.length[0])
    items = [pool.ids[number] for number in test.items[0, :length].tolist()]
    return _of(component, items, test.right[0, :length].tolist())


def _chosen(component: str, right: list[bool]) -> Answers:
    released = bank()
    asked = [item for one in released.component(component).subdomains for item in released.sheets[one.name].items[:2]]
    return _of(component, [item.id for item in asked], right)


def _of(component: str, items: list[str], right: list[bool]) -> Answers:
    asked = [bank().items[item] for item in items]
    return Answers(new_id(), items, [float(item.level) for item in asked], [item.GUESSING for item in asked], right)
