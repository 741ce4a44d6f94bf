"""The shares of a score add up to it, and no score lies where the page says that none can be."""

import numpy as np
import pytest

from assessments.outcomes import Span
from assessments.results import result_of
from assessments.scoring import PARAMETERS, Score, score_many
from assessments.shares import Calculation, Reach, shares_sentence, unreachable

from .scored import all_answers, of_abilities, of_answers, of_person, snapshot

PEOPLE = 2_000


def calculation(vr: float, hr: float) -> Calculation:
    return Calculation(PARAMETERS, vr, hr, vr * hr / 100, vr_se=5, half_width=4)


class TestShares:
    @pytest.mark.parametrize("score", [of_person(0.4, -0.2, 0.3), of_abilities(0.1, 0.2, 0.3)], ids=["tested", "given"])
    def test_add_up_to_the_score(self, score: Score) -> None:
        shares = result_of(snapshot(score)).shares

        assert shares
        assert sum(one.points for one in (shares.person, shares.occupation, shares.together)) == pytest.approx(
            score.air
        )
        assert (shares.person.factor, shares.occupation.factor, shares.together.factor) == (0.6, 0.4, 0.15)

    @pytest.mark.parametrize("changed", [{"air_score": 99.0}, {"vr_score": 1.0}, {"hr_score": 1.0}])
    def test_are_none_of_a_row_whose_parts_do_not_give_its_score(self, changed: dict[str, float]) -> None:
        result = result_of(snapshot(of_person(0.4, -0.2, 0.3), **changed))

        assert result.shares is None
        assert result.shares_sentence == ""
        assert result.unreachable == []

    def test_are_told_in_whole_points(self) -> None:
        assert shares_sentence(calculation(77.2, 92.5), is_given=False) == (
            "46 of these points come from your answers, 37 from the figures of the occupation, 11 from both together."
        )

    def test_of_given_abilities_come_from_no_answers(self) -> None:
        assert "come from the abilities that were given, 37" in shares_sentence(calculation(77.2, 92.5), is_given=True)

    def test_beyond_the_scale_say_so(self) -> None:
        assert shares_sentence(calculation(100, 85), is_given=False) == (
            "The formula gave 106.8 points, of which the scale keeps 100: 60 come from your answers, 34 from the "
            "figures of the occupation, 13 from both together."
        )


class TestReach:
    def test_holds_every_score_of_its_occupation(self) -> None:
        draw = np.random.default_rng(9)
        theta, sd = draw.normal(0, 4, (PEOPLE, 3)), draw.uniform(0.2, 0.9, (PEOPLE, 3))
        for hr in (0.0, 20.0, 73.0, 100.0):
            reach = calculation(50, hr).reach
            air = score_many(theta, sd, np.full(PEOPLE, hr)).air
            assert reach.least - 1e-9 <= air.min() < reach.least + 3
            assert reach.most - 3 < air.max() <= reach.most + 1e-9

    def test_of_a_person_who_knew_nothing_ends_above_their_interval(self) -> None:
        score = of_answers(all_answers(right=False))
        result = result_of(snapshot(score))

        (one,) = result.unreachable
        assert score.ci_lower < one.high == pytest.approx(0.4 * score.hr)
        assert result.ends == [one.sentence]
        assert f"the score cannot be below {int(0.4 * score.hr)}:" in one.sentence

    def test_of_an_occupation_of_low_figures_ends_below_the_scale(self) -> None:
        (one,) = unreachable(Span(64.0, 58.0, 70.0), calculation(98, 10).reach)

        assert (one.low, one.high) == (pytest.approx(65.5), 100)
        assert "cannot be above 66:" in one.sentence

    def test_that_holds_the_interval_is_not_told(self) -> None:
        assert unreachable(Span(64.0, 29.2, 94.0), Reach(29.2, 94.0)) == []
