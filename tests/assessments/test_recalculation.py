"""A tested score comes again from its metadata alone, to the last bit, whatever the product's numbers are by then."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from assessments import scoring
from assessments.occupations import OCCUPATIONS, HRWeights, find
from assessments.scoring import COMPONENTS, Answers, Parameters, Score, UnknownFormula, recalculate, score, score_test

GOLDEN = Path(__file__).parent / "golden"
STORED = ["middling", "low", "clipped", "given"]


def answers(random: np.random.Generator) -> dict[str, Answers]:
    """Any answers to any items of the levels and kinds that there are: neither the bank nor selection has a say."""
    found = {}
    for name in COMPONENTS:
        length = int(random.integers(8, 16))
        b, c = random.integers(-2, 3, length), random.choice([0.25, 0.05, 0.02], length)
        right = random.random(length) < random.random()
        items = [f"{name}-{number}" for number in range(length)]
        found[name] = Answers(f"of {name}", items, b.astype(float).tolist(), c.tolist(), right.tolist())
    return found


def somebody(seed: int) -> Score:
    random = np.random.default_rng(seed)
    codes = list(OCCUPATIONS)
    return score_test(answers(random), find(codes[random.integers(len(codes))]), {"version": "1", "sha256": "0f"})


def stored(metadata: dict[str, Any]) -> dict[str, Any]:
    """As the database gives it back: through JSON text."""
    loaded: dict[str, Any] = json.loads(json.dumps(metadata))
    return loaded


def golden(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metadata and the score that it had."""
    told = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return told["metadata"], told["score"]


class TestScoreTest:
    def test_scores_the_abilities_that_the_answers_speak_for(self) -> None:
        of_all = answers(np.random.default_rng(3))
        occupation = find("15-1252")

        result = score_test(of_all, occupation, {"version": "1", "sha256": "0f"})

        given = score({name: of_all[name].ability() for name in COMPONENTS}, occupation.hr_score)
        assert result.air == given.air
        assert result.metadata["abilities"] == given.metadata["abilities"]
        assert result.metadata["parameter_version"] == "2026.1"

    def test_does_not_depend_on_the_order_in_which_components_come(self) -> None:
        of_all = answers(np.random.default_rng(3))
        backwards = dict(reversed(of_all.items()))

        one, another = (score_test(each, find("15-1252"), {}) for each in (of_all, backwards))

        assert one == another
        assert list(another.metadata["answers"]) == list(COMPONENTS)

    def test_refuses_a_test_without_one_of_the_components(self) -> None:
        of_two = answers(np.random.default_rng(3))
        del of_two["domain"]

        with pytest.raises(KeyError, match="domain"):
            score_test(of_two, find("15-1252"), {})

    def test_its_metadata_holds_all_that_it_came_from(self) -> None:
        metadata = somebody(1).metadata

        assert set(metadata) == {
            "parameter_version", "abilities", "weights", "correlation", "alpha", "beta", "hr", "vr_se", "alignment",
            "clipped", "model", "bank", "answers", "occupation",
        }  # fmt: skip
        assert set(metadata["answers"]["domain"]) == {"assessment_id", "items", "b", "c", "right"}
        assert metadata["alignment"] == "not_measured"
        assert metadata["occupation"]["weights"] == {"growth": 0.5, "wage": 0.3, "exposure": 0.2}
        assert "Bureau of Labor Statistics" in metadata["occupation"]["sources"]["growth_and_wage"]
        assert (metadata["model"]["a"], metadata["model"]["difficulty_sd"]) == (1.2, 0.5)

    def test_one_more_right_answer_never_lowers_the_score(self) -> None:
        for seed in range(30):
            of_all = answers(np.random.default_rng(seed))
            asked = of_all["fluency"]
            more = msgspec.structs.replace(asked, right=[True, *asked.right[1:]])
            less = msgspec.structs.replace(asked, right=[False, *asked.right[1:]])

            high, low = (score_test(of_all | {"fluency": one}, find("23-1011"), {}) for one in (more, less))

            assert high.vr > low.vr
            assert high.air >= low.air


class TestRecalculate:
    def test_gives_each_tested_score_again_to_the_last_bit(self) -> None:
        for seed in range(300):
            result = somebody(seed)

            assert recalculate(stored(result.metadata)) == result

    @pytest.mark.parametrize("name", STORED)
    def test_gives_the_scores_of_the_first_release_for_ever(self, name: str) -> None:
        """A score that was told must not become another: never mend these files, give the formula a version."""
        metadata, told = golden(name)

        result = msgspec.to_builtins(recalculate(metadata))

        assert result == told | {"metadata": metadata}

    @pytest.mark.parametrize("name", STORED)
    def test_those_scores_are_right(self, name: str) -> None:
        """By the formula as the design writes it, with matrices."""
        metadata, told = golden(name)
        theta, sd = (np.array([metadata["abilities"][one][part] for one in COMPONENTS]) for part in ("theta", "sd"))
        prior, weights, hr = 0.7 * np.eye(3) + 0.3, np.array([0.45, 0.35, 0.20]), told["hr"]
        precision = 1 / sd**2 - 1
        observed = theta / (sd**2 * precision)

        covariance = np.linalg.inv(np.linalg.inv(prior) + np.diag(precision))
        mean = covariance @ (precision * observed)
        vr = weights @ np.clip(50 + 50 / 3 * mean, 0, 100)
        air = 0.6 * vr + 0.4 * hr + 0.15 * vr * hr / 100
        half_width = 1.96 * (0.6 + 0.15 * hr / 100) * 50 / 3 * math.sqrt(weights @ covariance @ weights)

        assert told["vr"] == pytest.approx(vr, abs=1e-9)
        assert told["air"] == pytest.approx(min(air, 100), abs=1e-9)
        assert told["clipped"] is bool(air > 100)
        assert told["ci_lower"] == pytest.approx(max(told["air"] - half_width, 0), abs=1e-9)
        assert told["ci_upper"] == pytest.approx(min(told["air"] + half_width, 100), abs=1e-9)

    def test_is_not_touched_by_the_numbers_that_hold_by_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before, old = somebody(1), Parameters()
        later = Parameters(weights=(0.2, 0.3, 0.5), correlation=0.5, alpha=0.5, beta=0.3)
        monkeypatch.setattr(scoring, "PARAMETERS", later)
        monkeypatch.setitem(scoring.score.__kwdefaults__, "parameters", later)
        monkeypatch.setattr(scoring, "HR_WEIGHTS", HRWeights(growth=0.1, wage=0.1, exposure=0.8))
        monkeypatch.setattr("assessments.occupations.HR_WEIGHTS", HRWeights(growth=0.1, wage=0.1, exposure=0.8))
        monkeypatch.setattr(scoring, "DISCRIMINATION", 2.0)
        monkeypatch.setattr(scoring, "DIFFICULTY_SD", 1.0)
        monkeypatch.setitem(scoring.Answers.ability.__kwdefaults__, "a", 2.0)
        monkeypatch.setitem(scoring.Answers.ability.__kwdefaults__, "difficulty_sd", 1.0)

        now = somebody(1)

        assert (now.metadata["alpha"], before.metadata["alpha"]) == (later.alpha, old.alpha)
        assert min(abs(now.air - before.air), abs(now.vr - before.vr), abs(now.hr - before.hr)) > 0.1
        assert recalculate(stored(before.metadata)) == before
        assert recalculate(stored(now.metadata)) == now

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("alpha", 0.5),
            ("beta", 0.3),
            ("correlation", 0.6),
            ("weights.fluency", 0.9),
            ("model.a", 1.5),
            ("model.difficulty_sd", 0.0),
            ("occupation.weights.growth", 0.9),
            ("occupation.growth_percentile", 1.0),
            ("answers.domain.b", [2.0] * 15),
            ("answers.domain.c", [0.0] * 15),
            ("answers.domain.right", [True] * 15),
        ],
    )
    def test_comes_from_the_numbers_in_the_metadata(self, path: str, value: object) -> None:
        metadata, told = golden("middling")
        changed = copy.deepcopy(metadata)
        *way, last = path.split(".")
        part = changed
        for name in way:
            part = part[name]
        assert part[last] != value
        part[last] = value

        result = recalculate(changed)

        assert abs(result.air - told["air"]) > 0.01

    @pytest.mark.parametrize("field", ["abilities", "hr", "vr_se", "clipped"])
    def test_calculates_what_it_can_again_and_takes_no_result_for_granted(self, field: str) -> None:
        metadata, told = golden("middling")

        result = recalculate(metadata | {field: None})

        assert result.air == told["air"]
        assert result.metadata == metadata

    @pytest.mark.parametrize("version", ["2025.4", "2026.10", "", None, 2026.1])
    def test_refuses_an_unknown_version(self, version: object) -> None:
        metadata, _ = golden("middling")

        with pytest.raises(UnknownFormula, match=r"2026\.1"):
            recalculate(metadata | {"parameter_version": version})

    @pytest.mark.parametrize(
        "other",
        [
            {"name": "2PL"},
            {"scaling": 1.7},
            {"estimator": "MLE"},
            {"prior": "N(0, 2)"},
            {"grid": [-4.0, 4.0, 33]},
            {"norms": "2031"},
        ],
    )
    def test_refuses_an_unknown_model(self, other: dict[str, object]) -> None:
        metadata, _ = golden("middling")

        with pytest.raises(UnknownFormula, match="cannot be calculated again by this release"):
            recalculate(metadata | {"model": metadata["model"] | other})
