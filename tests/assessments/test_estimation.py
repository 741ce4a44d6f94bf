"""Known answers to every digit that they have; plain sums beside the arrays; what must hold of any answers."""

import math
import random
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.estimation import (
    DISCRIMINATION,
    GRID,
    LOG_PRIOR,
    POINTS,
    SLOPE,
    Ability,
    estimate,
    information,
    log_likelihoods,
    moments,
    probability,
    shrinkage,
)

A, B = (1.2, 0.8, 1.5, 1.0, 0.9), (-1.0, -0.5, 0.0, 0.5, 1.0)
LSAT6_A = (0.8253715, 0.7229499, 0.8904748, 0.6885502, 0.6574516)
LSAT6_B = (-3.3597341, -1.3696497, -0.2798983, -1.8659189, -3.1235725)

Answered = tuple[float, float, float, bool]  # a, b, c, right

slopes, difficulties = st.floats(0.3, 2.5), st.floats(-3, 3)
without_guessing = st.tuples(slopes, difficulties, st.just(0.0), st.booleans())
# Guessing on an easy item: what a right answer to a hard one does has a test of its own.
with_guessing = st.tuples(slopes, st.floats(-3, 0), st.sampled_from([0.02, 0.05, 0.25]), st.booleans())
item = without_guessing | with_guessing
answers = st.lists(item, max_size=20)

fixed = settings(derandomize=True, deadline=None, max_examples=150)


def of(answered: Sequence[Answered]) -> Ability:
    a, b, c, right = zip(*answered, strict=True) if answered else ((), (), (), ())
    return estimate(a, b, c, right)


def plain(answered: Sequence[Answered], *, lowest: float, highest: float, points: int) -> tuple[float, float]:
    """The posterior's mean and standard deviation by the definition: products and sums, no array and no logarithm."""
    step = (highest - lowest) / (points - 1)
    grid = [lowest + step * number for number in range(points)]
    weights = [0.5 if number in (0, points - 1) else 1.0 for number in range(points)]
    density = []
    for theta, weight in zip(grid, weights, strict=True):
        value = weight * math.exp(-theta * theta / 2)
        for a, b, c, right in answered:
            p = c + (1 - c) / (1 + math.exp(-a * (theta - b)))
            value *= p if right else 1 - p
        density.append(value)
    total = math.fsum(density)
    mean = math.fsum(value * theta for value, theta in zip(density, grid, strict=True)) / total
    variance = math.fsum(value * (theta - mean) ** 2 for value, theta in zip(density, grid, strict=True)) / total
    return mean, math.sqrt(variance)


class TestKnownAnswers:
    """The grid ends where catR's does, and catR integrates by the trapezoid rule: all of its ten digits are met.

    By a plain sum over the same grid the ninth decimal is another: the ends, at θ = ±6, count twice as much then.
    """

    def test_five_items_without_guessing(self) -> None:
        assert estimate(A, B, [0] * 5, [True, True, False, True, False]) == Ability(0.1008165933, 0.6712330935)

    def test_five_items_with_guessing(self) -> None:
        assert estimate(A, B, [0.25] * 5, [True, True, False, True, False]) == Ability(-0.1821477122, 0.7529178482)

    @pytest.mark.parametrize(("right", "theta"), [(True, 1.266078524), (False, -1.311781584)])
    def test_all_right_and_all_wrong(self, right: bool, theta: float) -> None:
        assert round(estimate(A, B, [0] * 5, [right] * 5).theta, 9) == theta

    def test_information_at_zero(self) -> None:
        known = information(0, np.array(A), np.array(B), 0)

        assert known.round(7).tolist() == [0.2561680, 0.1537669, 0.5625, 0.2350037, 0.1664552]

    @pytest.mark.parametrize(("right", "count"), [(False, 2.277), (True, 296.693)])
    def test_expected_counts_of_lsat_6(self, right: bool, count: float) -> None:
        log_right, log_wrong = log_likelihoods(LSAT6_A, LSAT6_B, [0] * 5)
        prior = np.exp(LOG_PRIOR) / np.exp(LOG_PRIOR).sum()

        likelihood = np.exp((log_right if right else log_wrong).sum(axis=0))

        assert round(1000 * (prior * likelihood).sum().item(), 3) == count

    def test_expected_counts_of_lsat_6_add_up_to_all_examinees(self) -> None:
        log_right, log_wrong = log_likelihoods(LSAT6_A, LSAT6_B, [0] * 5)
        prior = np.exp(LOG_PRIOR) / np.exp(LOG_PRIOR).sum()
        patterns = product([True, False], repeat=5)

        counts = [
            (prior * np.exp(np.where(np.array(pattern)[:, None], log_right, log_wrong).sum(axis=0))).sum()
            for pattern in patterns
        ]

        assert 1000 * sum(counts) == pytest.approx(1000, abs=1e-9)


class TestEstimate:
    @given(answers)
    @fixed
    def test_is_the_plain_sum_over_its_grid(self, answered: list[Answered]) -> None:
        mean, sd = plain(answered, lowest=-6, highest=6, points=POINTS)

        estimated = of(answered)

        assert estimated.theta == pytest.approx(mean, abs=1e-9)
        assert estimated.sd == pytest.approx(sd, abs=1e-9)

    @pytest.mark.parametrize("seed", range(5))
    def test_its_grid_is_fine_and_wide_enough_for_five_decimals(self, seed: int) -> None:
        """Beside a sum over [−12, 12], 200 points a unit instead of 20, for tests of 15 items."""
        draw = random.Random(seed)
        answered = [
            (SLOPE, float(draw.randint(-2, 2)), draw.choice([0.02, 0.05, 0.25]), draw.random() < 0.5) for _ in range(15)
        ]
        mean, sd = plain(answered, lowest=-12, highest=12, points=4801)

        estimated = of(answered)

        assert estimated.theta == pytest.approx(mean, abs=5e-6)
        assert estimated.sd == pytest.approx(sd, abs=5e-6)

    @given(answers.flatmap(lambda of_one: st.tuples(st.just(of_one), st.permutations(of_one))))
    @fixed
    def test_does_not_depend_on_the_order_of_answers(self, orders: tuple[list[Answered], list[Answered]]) -> None:
        one, another = map(of, orders)

        assert another.theta == pytest.approx(one.theta, abs=2e-10)  # a sum in another order, rounded
        assert another.sd == pytest.approx(one.sd, abs=2e-10)

    @given(answers, item)
    @fixed
    def test_a_right_answer_never_lowers_it_and_a_wrong_one_never_raises_it(
        self, answered: list[Answered], more: Answered
    ) -> None:
        before, *asked = of(answered).theta, *more[:3]

        assert of([*answered, (*asked, True)]).theta >= before - 1e-9
        assert of([*answered, (*asked, False)]).theta <= before + 1e-9

    @given(answers)
    @fixed
    def test_answers_pull_it_no_further_from_the_prior_than_their_slopes_add_up_to(
        self, answered: list[Answered]
    ) -> None:
        """Stein's identity: the mean under N(0, 1) times a likelihood is the mean slope of its logarithm."""
        most = sum(a for a, *_ in answered)

        estimated = of(answered)

        assert abs(estimated.theta) <= most + 1e-6

    @given(st.lists(without_guessing, max_size=20))
    @fixed
    def test_without_guessing_answers_never_leave_more_doubt_than_the_prior(self, answered: list[Answered]) -> None:
        assert 0 < of(answered).sd <= of([]).sd < 1

    def test_of_no_answers_is_the_prior(self) -> None:
        prior = estimate([], [], [], [])

        assert prior.theta == pytest.approx(0, abs=1e-9)
        assert prior.sd == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("right", [True, False])
    @pytest.mark.parametrize("level", [-2, 0, 2])
    def test_64_answers_alike_leave_a_finite_estimate(self, right: bool, level: int) -> None:
        """Their likelihood is far below the smallest float at one end of the grid."""
        estimated = estimate([SLOPE] * 64, [level] * 64, [0.02] * 64, [right] * 64)

        assert math.copysign(1, estimated.theta - level) == (1 if right else -1)
        assert -6 < estimated.theta < 6
        assert 0 < estimated.sd < 1

    def test_steep_items_without_guessing_do_not_underflow(self) -> None:
        estimated = estimate([50.0] * 64, [-2.0] * 64, [0.0] * 64, [False] * 64)

        assert -6 <= estimated.theta < -2

    def test_a_lucky_looking_answer_is_refused_as_no_ability(self) -> None:
        """A right answer to a hard item that can be guessed leaves more doubt than there was before it."""
        with pytest.raises(ValueError, match="posterior SD between 0 and 1"):
            estimate([SLOPE], [2], [0.25], [True])

    def test_refuses_answers_that_differ_in_number_from_the_items(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            estimate([1, 1], [0, 0], [0, 0], [True])


class TestMoments:
    def test_of_many_are_those_of_each(self) -> None:
        log_right, log_wrong = log_likelihoods(A, B, [0.25] * 5)
        densities = np.stack([LOG_PRIOR, LOG_PRIOR + log_right[0], LOG_PRIOR + log_wrong.sum(axis=0)])

        means, sds = moments(densities)

        assert [(mean, sd) for mean, sd in zip(means, sds, strict=True)] == [moments(density) for density in densities]

    def test_do_not_depend_on_the_constant_of_a_density(self) -> None:
        assert moments(LOG_PRIOR - 1e4) == moments(LOG_PRIOR)


class TestItemModel:
    @pytest.mark.parametrize(("theta", "p"), [(-50, 0.25), (0, 0.25 + 0.75 / 2), (50, 1)])
    def test_goes_from_guessing_to_certainty_and_is_half_way_at_its_difficulty(self, theta: float, p: float) -> None:
        assert probability(theta, 1.2, 0, 0.25) == pytest.approx(p)

    @pytest.mark.parametrize("c", [0, 0.02, 0.25])
    def test_logarithms_are_those_of_its_probabilities(self, c: float) -> None:
        log_right, log_wrong = log_likelihoods([1.2], [0.7], [c])

        p = probability(GRID, 1.2, 0.7, c)
        assert np.exp(log_right[0]) == pytest.approx(p, rel=1e-12)
        assert np.exp(log_wrong[0]) == pytest.approx(1 - p, rel=1e-12)

    @given(st.floats(-4, 4), slopes, difficulties, st.sampled_from([0, 0.02, 0.05, 0.25]))
    @fixed
    def test_information_is_the_squared_slope_of_p_over_its_variance(
        self, theta: float, a: float, b: float, c: float
    ) -> None:
        h, p = 1e-5, probability(theta, a, b, c)
        slope = (probability(theta + h, a, b, c) - probability(theta - h, a, b, c)) / (2 * h)

        assert information(theta, a, b, c) == pytest.approx(slope**2 / (p * (1 - p)), rel=1e-5)

    @pytest.mark.parametrize("c", [0, 0.05, 0.25])
    def test_guessing_moves_the_most_informative_ability_above_the_difficulty(self, c: float) -> None:
        """Birnbaum's formula: b + ln((1 + √(1 + 8c))/2)/a."""
        known = information(np.linspace(-3, 3, 60001), 1.2, 0.5, c)

        assert -3 + known.argmax() / 1e4 == pytest.approx(
            0.5 + math.log((1 + math.sqrt(1 + 8 * c)) / 2) / 1.2, abs=1e-4
        )


class TestShrinkage:
    def test_is_by_hand(self) -> None:
        assert shrinkage(1.2, 0.5) == pytest.approx(1 / math.sqrt(1 + math.pi * 0.36 / 8))
        assert pytest.approx(1.2 * shrinkage()) == SLOPE

    def test_of_difficulties_known_exactly_there_is_none(self) -> None:
        assert shrinkage(1.2, 0) == 1

    def test_a_flatter_curve_is_the_curve_averaged_over_its_difficulty(self) -> None:
        """By numerical integration over b of N(0, .5): off by .002 at most, where the steep curve is off by .016."""
        z = np.linspace(-8, 8, 1601)
        averaged = np.average(
            probability(GRID[:, None], DISCRIMINATION, 0.5 * z, 0), axis=1, weights=np.exp(-z * z / 2)
        )

        assert abs(probability(GRID, SLOPE, 0, 0) - averaged).max() < 0.002
        assert abs(probability(GRID, DISCRIMINATION, 0, 0) - averaged).max() > 0.01


class TestAbility:
    @pytest.mark.parametrize(
        ("theta", "sd"), [(math.nan, 0.5), (math.inf, 0.5), (0, math.nan), (0, 1), (0, 0), (0, -1)]
    )
    def test_refuses_what_is_none(self, theta: float, sd: float) -> None:
        with pytest.raises(ValueError, match="finite"):
            Ability(theta, sd)
