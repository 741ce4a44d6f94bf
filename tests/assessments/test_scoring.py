import math

import numpy as np
import pytest

from assessments.estimation import Ability
from assessments.occupations import OCCUPATIONS, UnknownOccupation, find
from assessments.scoring import (
    COMPONENTS,
    Parameters,
    combine,
    component_score,
    recalculate,
    score,
    score_many,
)


def abilities(*thetas: float, sd: float = 0.5) -> dict[str, Ability]:
    return {name: Ability(theta, sd) for name, theta in zip(COMPONENTS, thetas, strict=True)}


class TestScore:
    def test_the_known_answer(self) -> None:
        assert combine(vr=75, hr=80, synergy=51) == pytest.approx(84.65)

    def test_average_abilities_are_the_middle_of_the_scale(self) -> None:
        result = score(abilities(0, 0, 0), hr=50)

        assert result.vr == pytest.approx(50)
        assert result.synergy == pytest.approx(25)
        assert result.air == pytest.approx(0.6 * 50 + 0.4 * 50 + 0.15 * 25)

    def test_equal_abilities_gain_from_each_other(self) -> None:
        """By hand: three equal observations under a compound-symmetric prior shrink along 1 with eigenvalue 1 + 2ρ."""
        theta, sd = 1.0, 0.5
        precision = 1 / sd**2 - 1
        mean = (theta / sd**2) / (precision + 1 / 1.6)

        assert score(abilities(theta, theta, theta), hr=50).vr == pytest.approx(50 + 50 / 3 * mean)

    def test_the_standard_error_by_hand(self) -> None:
        """With the weights .45 .35 .20 and the two eigenspaces of the posterior covariance."""
        precision = 1 / 0.5**2 - 1
        along, across = 1 / (precision + 1 / 1.6), 1 / (precision + 1 / 0.7)
        weights = (0.45, 0.35, 0.20)
        mean_part = sum(weights) ** 2 / 3
        variance = along * mean_part + across * (sum(w * w for w in weights) - mean_part)

        metadata = score(abilities(0, 0, 0), hr=50).metadata

        assert metadata["vr_se"] == pytest.approx(50 / 3 * math.sqrt(variance))

    def test_the_interval_by_hand(self) -> None:
        result = score(abilities(0, 0, 0), hr=80)
        half_width = 1.96 * (0.6 + 0.15 * 0.8) * result.metadata["vr_se"]

        assert result.ci_upper - result.air == pytest.approx(half_width)
        assert result.air - result.ci_lower == pytest.approx(half_width)

    @pytest.mark.parametrize("theta", [-4, -1, 0, 2, 4])
    @pytest.mark.parametrize("hr", [0, 50, 100])
    def test_a_score_lies_on_the_scale_and_inside_its_interval(self, theta: float, hr: float) -> None:
        result = score(abilities(theta, theta, theta), hr=hr)

        assert 0 <= result.ci_lower <= result.air <= result.ci_upper <= 100

    def test_says_when_it_was_clipped(self) -> None:
        assert score(abilities(4, 4, 4), hr=100).clipped
        assert not score(abilities(0, 0, 0), hr=50).clipped

    def test_its_metadata_alone_gives_it_again(self) -> None:
        result = score(abilities(0.3, -1.2, 2.5), hr=71.7)

        assert recalculate(result.metadata) == result

    @pytest.mark.parametrize(("theta", "sd"), [(math.nan, 0.5), (math.inf, 0.5), (0.0, 0.0), (0.0, 1.0)])
    def test_refuses_an_ability_that_is_none(self, theta: float, sd: float) -> None:
        with pytest.raises(ValueError, match="posterior SD"):
            Ability(theta, sd)


class TestComponentScore:
    @pytest.mark.parametrize(("theta", "points"), [(0, 50), (1, 66 + 2 / 3), (-1.5, 25), (3, 100), (-3, 0), (9, 100)])
    def test_three_standard_deviations_to_each_side_span_the_scale(self, theta: float, points: float) -> None:
        assert component_score(theta) == pytest.approx(points)


class TestScoreMany:
    def test_scores_each_as_if_alone_to_the_last_bit(self) -> None:
        draw = np.random.default_rng(1)
        theta, sd, hr = draw.normal(0, 2, (500, 3)), draw.uniform(0.05, 0.99, (500, 3)), draw.uniform(0, 100, 500)

        together = score_many(theta, sd, hr)

        for i in range(500):
            of_one = {
                name: Ability(*pair) for name, *pair in zip(COMPONENTS, theta[i].tolist(), sd[i].tolist(), strict=True)
            }
            alone = score(of_one, hr[i].item())
            for part in ("air", "vr", "hr", "synergy", "ci_lower", "ci_upper", "clipped"):
                assert getattr(together, part)[i] == getattr(alone, part)
            assert together.vr_se[i] == alone.metadata["vr_se"]
        assert together.clipped.any()
        assert not together.clipped.all()

    def test_is_the_general_formula_in_closed_form(self) -> None:
        """Bayes' rule with the matrices written out, for abilities of unequal precision."""
        theta, sd, prior = np.array([0.4, -1.3, 2.2]), np.array([0.3, 0.6, 0.45]), 0.7 * np.eye(3) + 0.3
        covariance = np.linalg.inv(np.linalg.inv(prior) + np.diag(1 / sd**2 - 1))
        weights = np.array([0.45, 0.35, 0.20])

        of_one = score_many(theta[None], sd[None], np.array([50.0]))

        assert of_one.vr[0] == pytest.approx(weights @ (50 + 50 / 3 * (covariance @ (theta / sd**2))), abs=1e-9)
        assert of_one.vr_se[0] == pytest.approx(50 / 3 * math.sqrt(weights @ covariance @ weights), abs=1e-9)

    def test_is_the_formula_with_matrices_for_any_abilities_and_parameters(self) -> None:
        draw = np.random.default_rng(5)
        for _ in range(200):
            theta, sd, correlation = draw.normal(0, 1.5, 3), draw.uniform(0.1, 0.95, 3), draw.uniform(0, 0.9)
            weights = draw.dirichlet([1, 1, 1])
            prior = (1 - correlation) * np.eye(3) + correlation
            covariance = np.linalg.inv(np.linalg.inv(prior) + np.diag(1 / sd**2 - 1))
            points = np.clip(50 + 50 / 3 * (covariance @ (theta / sd**2)), 0, 100)

            by = Parameters(weights=tuple(weights.tolist()), correlation=correlation)
            of_one = score_many(theta[None], sd[None], np.array([50.0]), by)

            assert of_one.vr[0] == pytest.approx(weights @ points, abs=1e-8)
            assert of_one.vr_se[0] == pytest.approx(50 / 3 * math.sqrt(weights @ covariance @ weights), abs=1e-8)

    def test_the_interval_is_cut_off_at_the_ends_of_the_scale(self) -> None:
        ends = score_many(np.array([[4.0] * 3, [-4.0] * 3]), np.full((2, 3), 0.5), np.array([100.0, 0.0]))

        assert ends.air.tolist() == [100, 0]
        assert ends.ci_upper.tolist()[0] == 100
        assert ends.ci_lower.tolist()[1] == 0
        assert ends.ci_upper[0] - ends.ci_lower[0] == pytest.approx(1.96 * 0.75 * ends.vr_se[0])
        assert ends.ci_upper[1] - ends.ci_lower[1] == pytest.approx(1.96 * 0.6 * ends.vr_se[1])

    @pytest.mark.parametrize(("theta", "sd"), [(math.nan, 0.5), (0.0, 0.0), (0.0, 1.0)])
    def test_refuses_what_is_no_ability(self, theta: float, sd: float) -> None:
        with pytest.raises(ValueError, match="posterior SD"):
            score_many(np.array([[0, 0, theta]]), np.array([[0.5, sd, 0.5]]), np.array([50.0]))


class TestOccupations:
    def test_human_readiness_is_the_weighted_percentiles(self) -> None:
        """The figures of 15-1252, software developers: 98.7, 94.9, 73.7."""
        assert find("15-1252").hr_score == pytest.approx(0.5 * 98.7 + 0.3 * 94.9 + 0.2 * 73.7)

    @pytest.mark.parametrize(
        ("code", "title", "growth", "wage", "exposure", "percentiles", "hr"),
        [
            ("11-1021", "General and operations managers", 4.2, 98100, 0.385, (65.1, 87.5, 64.3), 71.7),
            ("15-1251", "Computer programmers", -11.2, 97800, 0.683, (6.8, 87.4, 97.7), 49.2),
            ("15-2051", "Data scientists", 35.2, 103500, 0.582, (99.7, 90.8, 91.0), 95.3),
            ("23-1011", "Lawyers", 7.5, 135740, 0.475, (84.5, 97.0, 77.6), 86.9),
            ("29-1141", "Registered nurses", 5.6, 81220, 0.335, (76.5, 78.4, 56.9), 73.1),
            ("43-3021", "Billing and posting clerks", 0, 42810, 0.417, (28.2, 27.1, 68.8), 36.0),
            ("43-9021", "Data entry keyers", -26, 36190, 0.500, (0.7, 13.1, 80.0), 20.3),
            ("49-9081", "Wind turbine service technicians", 44.9, 57320, 0.043, (99.9, 52.6, 14.8), 68.7),
            ("53-7065", "Stockers and order fillers", 6.3, 34220, 0.191, (79.9, 8.7, 40.2), 50.6),
        ],
    )
    def test_figures_are_those_of_the_sources(
        self,
        code: str,
        title: str,
        growth: float,
        wage: int,
        exposure: float,
        percentiles: tuple[float, float, float],
        hr: float,
    ) -> None:
        one = find(code)

        assert (one.title, one.growth_percent, one.wage_usd, one.exposure) == (title, growth, wage, exposure)
        assert (one.growth_percentile, one.wage_percentile, one.exposure_percentile) == percentiles
        assert round(one.hr_score, 1) == hr

    def test_a_greater_figure_never_has_the_lower_percentile(self) -> None:
        for figure, percentile in [
            ("growth_percent", "growth_percentile"),
            ("wage_usd", "wage_percentile"),
            ("exposure", "exposure_percentile"),
        ]:
            pairs = [(getattr(one, figure), getattr(one, percentile)) for one in OCCUPATIONS.values()]

            assert [of for _, of in sorted(pairs)] == sorted(of for _, of in pairs)

    def test_all_of_the_table_is_there_and_on_the_scale(self) -> None:
        assert len(OCCUPATIONS) == 105
        assert all(0 <= occupation.hr_score <= 100 for occupation in OCCUPATIONS.values())

    @pytest.mark.parametrize(("code", "near"), [("15-1251x", "15-1251"), ("software developer", "15-1252")])
    def test_an_unknown_code_is_refused_with_what_is_near(self, code: str, near: str) -> None:
        with pytest.raises(UnknownOccupation) as caught:
            find(code)

        assert near in [occupation.code for occupation in caught.value.near]
        assert near in str(caught.value)
