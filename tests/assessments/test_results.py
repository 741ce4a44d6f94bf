"""What a page tells of a score is what the score's own record says, or it says what is missing."""

import copy
import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from assessments import drawings
from assessments.advice import recommendations
from assessments.bank import Practice, bank
from assessments.equations import equations
from assessments.estimation import SLOPE
from assessments.history import history
from assessments.outcomes import Against, ComponentResult, Span, SubdomainResult
from assessments.results import Lack, result_of
from assessments.scoring import COMPONENTS, score_many
from assessments.shares import Unreachable
from assessments.snapshots import AIRScoreSnapshot

from .scored import all_answers, listed, of_abilities, of_answers, of_person, snapshot

PEOPLE = 1_000
SENTENCE = re.compile(r"(\d+), likely between (\d+) and (\d+)")


def subdomain(name: str, *, right: int, missed: list[int], expected: float) -> SubdomainResult:
    practise = Practice("easy", "middle", "hard")
    return SubdomainResult(name, name.title(), "", practise, right + len(missed), right, expected, missed)


def component(name: str, *subdomains: SubdomainResult) -> ComponentResult:
    return ComponentResult(name, 0.3, Span(50, 40, 60), 50, subdomains=list(subdomains))


class TestSentence:
    def test_of_a_thousand_scores_holds_the_whole_interval_and_the_score(self) -> None:
        draw = np.random.default_rng(9)
        theta, sd, hr = (
            draw.normal(0, 2, (PEOPLE, 3)),
            draw.uniform(0.2, 0.9, (PEOPLE, 3)),
            draw.uniform(0, 100, PEOPLE),
        )
        scores = score_many(theta, sd, hr)
        columns = [column.tolist() for column in (scores.air, scores.ci_lower, scores.ci_upper)]

        for value, low, high in zip(*columns, strict=True):
            told = SENTENCE.fullmatch(Span(value, low, high).sentence)
            assert told
            of_sentence, lowest, highest = map(int, told.groups())
            assert 0 <= lowest <= low <= high <= highest <= 100
            assert lowest <= of_sentence <= highest
            assert max(low - lowest, highest - high) < 1
            assert abs(of_sentence - value) <= 0.5

    def test_does_not_widen_an_interval_that_ends_at_whole_points(self) -> None:
        assert Span(64.2, 58.00000000000001, 70.00000000000001).sentence == "64, likely between 58 and 70"

    def test_of_a_score_beyond_the_scale_says_what_the_formula_gave(self) -> None:
        result = result_of(snapshot(of_abilities(4, 4, 4)))

        assert result.span.sentence.startswith("100, likely between ")
        assert result.calculation
        formula, interval = result.ends
        assert formula.startswith(f"The formula gave {result.calculation.raw:.1f};")
        assert interval == "The interval is cut off at 100, where the scale ends."

    def test_of_the_lowest_scores_says_that_the_interval_is_cut_off(self) -> None:
        low = result_of(snapshot(of_abilities(-3, -3, -3), ci_lower=0.0))

        assert low.ends[-1] == "The interval is cut off at 0, where the scale begins."

    def test_of_others_says_nothing_of_the_ends(self) -> None:
        assert result_of(snapshot(of_person(0, 0, 0, occupation="13-1071"))).ends == []


class TestComponents:
    @pytest.mark.parametrize("seed", range(20))
    def test_by_their_weights_give_the_readiness(self, seed: int) -> None:
        score = of_person(*np.random.default_rng(seed).normal(0, 1, 3), seed=seed)

        result = result_of(snapshot(score))

        assert sum(one.weight * one.combined for one in result.components) == pytest.approx(score.vr, abs=1e-9)

    def test_have_the_score_and_the_interval_of_their_own_answers(self) -> None:
        score = of_person(0.5, -0.5, 0.0)

        for one in result_of(snapshot(score)).components:
            theta, sd = score.metadata["abilities"][one.name].values()
            assert one.span.value == pytest.approx(50 + 50 / 3 * theta)
            assert one.span.high - one.span.value == pytest.approx(1.96 * 50 / 3 * sd)
            assert one.span.value - one.span.low == pytest.approx(1.96 * 50 / 3 * sd)

    def test_stay_on_the_scale(self) -> None:
        high, low, near = (one.span for one in result_of(snapshot(of_abilities(4, -4, 2.9))).components)

        assert (high.value, high.high) == (100, 100)
        assert (low.low, low.value) == (0, 0)
        assert near.low < near.value < near.high == 100


class TestSubdomains:
    def test_are_all_twelve_with_every_question_once(self) -> None:
        score = of_person(0.2, 0.2, 0.2)

        result = result_of(snapshot(score))

        assert [one.name for one in result.components] == list(COMPONENTS)
        assert len({one.name for one in result.subdomains}) == 12
        for one in result.components:
            answers = score.metadata["answers"][one.name]
            assert (one.asked, one.right) == (len(answers["items"]), sum(answers["right"]))

    def test_expect_what_the_model_gives_at_the_estimate(self) -> None:
        score = of_person(0.2, 0.2, 0.2)
        theta, answers = score.metadata["abilities"]["fluency"]["theta"], score.metadata["answers"]["fluency"]
        expected = dict.fromkeys(("con", "pro", "ver", "res"), 0.0)
        for item, b, c in zip(answers["items"], answers["b"], answers["c"], strict=True):
            expected[item[:3]] += c + (1 - c) / (1 + math.exp(-SLOPE * (theta - b)))

        told = result_of(snapshot(score)).components[0].subdomains

        assert [one.expected for one in told] == pytest.approx(list(expected.values()))

    @pytest.mark.parametrize(
        ("right", "expected", "against"),
        [(1, 1.6, Against.FEWER), (1, 1.4, Against.ALIKE), (2, 1.6, Against.ALIKE), (2, 1.4, Against.MORE)],
    )
    def test_are_told_apart_from_half_a_question_on(self, right: int, expected: float, against: Against) -> None:
        assert subdomain("a", right=right, missed=[0], expected=expected).against is against


class TestRecommendations:
    @pytest.mark.parametrize("seed", range(40))
    def test_are_the_weakest_of_each_component_and_one_more_where_it_is_weak(self, seed: int) -> None:
        result = result_of(snapshot(of_person(*np.random.default_rng(seed).normal(0, 1, 3), seed=seed)))

        chosen = [one.cause for one in result.recommendations]

        assert all(one.missed_levels for one in chosen)
        assert [one.gap for one in chosen] == sorted((one.gap for one in chosen), reverse=True)
        missed = [[one for one in part.subdomains if one.missed_levels] for part in result.components]
        weakest = [max(part, key=lambda one: one.gap) for part in missed if part]
        others = [one for part in missed for one in part if one not in weakest and one.gap >= 0.5]
        expected = [*weakest, *([max(others, key=lambda one: one.gap)] if others else [])]
        assert sorted(one.name for one in chosen) == sorted(one.name for one in expected)

    @pytest.mark.parametrize(("expected", "count"), [(1.49, 1), (1.5, 2)])
    def test_have_a_second_of_a_component_from_half_a_question_on(self, expected: float, count: int) -> None:
        first = subdomain("first", right=0, missed=[0], expected=0.9)
        second = subdomain("second", right=1, missed=[0], expected=expected)

        assert len(recommendations([component("fluency", first, second)])) == count

    @pytest.mark.parametrize(
        ("expected", "missed", "told"),
        [
            (2.6, [1], "2 of 3 right, where 2.6 were expected. The question missed was a hard one."),
            (2.0, [2], "2 of 3 right, about as many as expected. The question missed was a hard one."),
            (2.0, [0], "2 of 3 right, about as many as expected. The question missed was one of middle difficulty."),
            (1.4, [-1], "2 of 3 right, more than the 1.4 expected. The question missed was an easy one."),
            (2.0, [1, 2], "2 of 4 right, about as many as expected. Only hard ones were missed."),
            (3.0, [0, 2], "2 of 4 right, where 3.0 were expected. No easy one was missed."),
        ],
    )
    def test_call_fewer_only_what_was_fewer(self, expected: float, missed: list[int], told: str) -> None:
        (one,) = recommendations([component("fluency", subdomain("a", right=2, missed=missed, expected=expected))])

        assert f"{one.reason}. {one.missed}" == told

    def test_stand_in_the_order_of_the_gap_and_name_their_component(self) -> None:
        mild = subdomain("mild", right=1, missed=[0], expected=1.5)
        strong = subdomain("strong", right=0, missed=[0], expected=0.9)

        told = recommendations([component("fluency", mild), component("domain", strong)])

        assert [(one.component, one.cause.name) for one in told] == [
            ("Applied domain reasoning", "strong"),
            ("AI fluency", "mild"),
        ]

    def test_are_none_where_nothing_was_missed(self) -> None:
        result = result_of(snapshot(of_answers(all_answers(right=True))))

        assert len(result.subdomains) == 12
        assert result.recommendations == []

    def test_are_four_at_most(self) -> None:
        result = result_of(snapshot(of_answers(all_answers(right=False))))

        assert len(result.recommendations) == 4
        assert {one.component for one in result.recommendations} == {one.title for one in result.components}

    @pytest.mark.parametrize(
        ("missed", "practise"),
        [([2, -2], "easy"), ([-1], "easy"), ([1, 0, 2], "middle"), ([1], "hard"), ([2], "hard")],
    )
    def test_go_by_the_easiest_question_missed(self, missed: list[int], practise: str) -> None:
        one = component("fluency", subdomain("a", right=0, missed=missed, expected=1))

        assert [told.practise for told in recommendations([one])] == [practise]

    def test_say_what_the_bank_says(self) -> None:
        result = result_of(snapshot(of_answers(all_answers(right=False))))

        for one in result.recommendations:
            texts = bank().sheets[one.cause.name].practise
            assert one.practise in {texts.easy, texts.middle, texts.hard}


def broken(metadata: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The metadata with one value left out, or replaced by one that is none, wherever there is a value."""
    for path in list(paths(metadata)):
        for value in (None, "no", -1, 1e300, [], {}, [None]):
            copied = copy.deepcopy(metadata)
            within(copied, path)[path[-1]] = value
            yield copied
        copied = copy.deepcopy(metadata)
        del within(copied, path)[path[-1]]
        yield copied


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, below in inner:
        yield (*before, name)
        yield from paths(below, (*before, name))


def within(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path[:-1]:
        value = value[name]
    return value


def tell_all(score: AIRScoreSnapshot) -> Lack | None:
    """As the page does."""
    result = result_of(score)
    assert result.span.sentence
    assert result.ends is not None
    assert result.comes_out_again in {True, False, None}
    assert all(one.practise for one in result.recommendations)
    assert result.shares is None or result.shares_sentence
    drawings.score_scale(result.span, result.unreachable)
    equations(result)
    return result.lack


class TestUnreadableMetadata:
    def test_never_fails_whatever_is_broken_in_it(self) -> None:
        whole = snapshot(of_person(0.2, 0.2, 0.2))

        found = {
            tell_all(msgspec.structs.replace(whole, calculation_metadata=metadata))
            for metadata in broken(whole.calculation_metadata)
        }

        assert found == {None, Lack.METADATA, Lack.BANK}

    @pytest.mark.parametrize("metadata", [{}, {"parameter_version": "2026.1"}, {"abilities": 1}])
    def test_leaves_the_stored_numbers(self, metadata: dict[str, Any]) -> None:
        score = snapshot(of_person(0.2, 0.2, 0.2), calculation_metadata=metadata)

        result = result_of(score)

        assert (result.span.value, result.lack) == (score.air_score, Lack.METADATA)
        assert result.components == []
        assert equations(result) == []

    def test_of_a_later_formula_is_not_read_as_if_it_were_ours(self) -> None:
        result = result_of(snapshot(of_person(0.2, 0.2, 0.2), parameter_version="2031.4"))

        assert result.lack is Lack.FORMULA
        assert result.components == []
        assert result.figures is None

    @pytest.mark.parametrize("other", [{"version": "77"}, {"version": "../bank-1"}, {"sha256": "0" * 64}])
    def test_of_another_bank_leaves_out_what_the_bank_would_tell(self, other: dict[str, str]) -> None:
        score = of_person(0.2, 0.2, 0.2)
        score.metadata["bank"] |= other

        result = result_of(snapshot(score))

        assert result.lack is Lack.BANK
        assert len(result.components) == 3
        assert result.subdomains == []
        assert result.recommendations == []
        assert result.figures

    def test_of_given_abilities_has_components_and_no_questions(self) -> None:
        result = result_of(snapshot(of_abilities(0.3, 0.4, 0.1)))

        assert result.lack is Lack.ANSWERS
        assert len(result.components) == 3
        assert result.subdomains == []
        assert result.recommendations == []
        assert len(equations(result)) == 5


class TestRecord:
    def test_gives_the_score_again(self) -> None:
        assert result_of(snapshot(of_person(0.2, 0.2, 0.2))).comes_out_again is True
        assert result_of(snapshot(of_abilities(0.2, 0.2, 0.2))).comes_out_again is True

    @pytest.mark.parametrize(
        "changed",
        [
            *({name: 99.0} for name in ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper")),
            {"occupation_code": "11-9051"},
            {"parameter_version": "2026.1-input"},
        ],
        ids=lambda changed: next(iter(changed)),
    )
    def test_beside_a_row_that_was_changed_does_not(self, changed: dict[str, Any]) -> None:
        assert result_of(snapshot(of_person(0.2, 0.2, 0.2), **changed)).comes_out_again is False

    def test_with_another_estimate_than_its_answers_give_does_not(self) -> None:
        score = of_person(0.2, 0.2, 0.2)
        score.metadata["abilities"]["domain"]["theta"] += 0.1

        assert result_of(snapshot(score)).comes_out_again is False

    def test_of_given_abilities_names_no_occupation_to_compare(self) -> None:
        given = snapshot(of_abilities(0.2, 0.2, 0.2), occupation_code="11-9051")

        assert result_of(given).comes_out_again is True

    def test_of_another_release_cannot_tell(self) -> None:
        score = of_person(0.2, 0.2, 0.2)
        score.metadata["parameter_version"] = "2031.4"

        assert result_of(snapshot(score, parameter_version="2031.4")).comes_out_again is None


class TestEquations:
    def test_end_with_the_stored_numbers(self) -> None:
        score = of_person(0.2, -0.4, 0.9)

        values = [one.values for one in equations(result_of(snapshot(score)))]

        ends = [re.findall(r"= (?:\\pm )?([\d.]+)", one)[-1] for one in values]
        half_width = score.ci_upper - score.air
        assert ends == [f"{number:.2f}" for number in (score.vr, score.hr, score.synergy, score.air, half_width)]

    def test_come_out_near_that_with_the_numbers_they_show(self) -> None:
        """Read as a person with a calculator reads them."""
        for one in equations(result_of(snapshot(of_person(0.2, -0.4, 0.9)))):
            left, _, right = plain(one.values).rpartition("=")
            assert eval(left.rpartition("=")[2]) == pytest.approx(float(right.replace("±", "")), abs=0.02)

    @pytest.mark.parametrize("thetas", [(1.5, 1.2, 1.8), (2.0, -1.0, 0.1), (-1.5, -1.2, 0.4)])
    def test_tell_each_component_by_itself_and_as_it_enters(self, thetas: tuple[float, float, float]) -> None:
        result = result_of(snapshot(of_person(*thetas)))

        words = equations(result)[0].words

        for one in result.components:
            assert f"{one.title}: {one.span.value:.1f} by itself, {one.combined:.1f} here" in words


def plain(latex: str) -> str:
    """A row of numbers and signs."""
    latex = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/\2)", latex)
    for code, sign in {
        r"\times": "*",
        r"\left": "",
        r"\right": "",
        r"\quad": "",
        r"\\": "",
        r"\pm": "±",
        r"\,": "",
    }.items():
        latex = latex.replace(code, sign)
    latex = latex.replace(r"\begin{array}{l}", "").replace(r"\end{array}", "")
    return latex.removeprefix(" ± ") if latex.startswith(" ± ") else latex


class TestHistory:
    def test_of_one_score_compares_nothing(self) -> None:
        only = listed(of_person(0, 0, 0))

        past = history([only], only.id)

        assert past.comparison == ""
        assert drawings.score_history(past) == []

    @pytest.mark.parametrize(
        ("low", "high", "words"),
        [(50.0, 60.0, "The two intervals overlap"), (40.0, 49.9, "The two intervals do not overlap")],
    )
    def test_says_whether_the_intervals_overlap(self, low: float, high: float, words: str) -> None:
        now = listed(of_person(0, 0, 0), air_score=60.0, ci_lower=50.0, ci_upper=70.0)
        before = listed(of_person(0, 0, 0), air_score=(low + high) / 2, ci_lower=low, ci_upper=high)

        told = history([now, before], now.id).comparison

        assert words in told
        assert "occupations" not in told

    def test_compares_with_the_one_before_and_not_with_a_later_one(self) -> None:
        scores = [listed(of_person(0, 0, 0), air_score=value) for value in (70.0, 60.0, 55.0)]

        assert history(scores, scores[1].id).comparison.startswith("This score is 5.0 points above")
        assert history(scores, scores[2].id).comparison == ""

    def test_says_that_occupations_differ(self) -> None:
        now, before = listed(of_person(0, 0, 0)), listed(of_person(0, 0, 0, occupation="11-9051"))

        assert "different occupations" in history([now, before], now.id).comparison

    def test_of_different_occupations_compares_what_is_not_theirs(self) -> None:
        before = listed(of_person(0, 0, 0, occupation="11-9051"), vr_score=100.0)
        now = listed(of_person(0, 0, 0), vr_score=0.0)
        same = listed(of_person(0, 0, 0), vr_score=100.04)

        assert history([now, before], now.id).comparison.endswith("Your own part (V) went from 100.0 to 0.0.")
        assert history([same, before], same.id).comparison.endswith("Your own part (V) stayed at 100.0.")
        assert "Your own part" not in history([now, same], now.id).comparison

    @pytest.mark.parametrize(("code", "told"), [("11-9051", "Food service managers"), ("99-9999", "99-9999")])
    def test_names_the_occupation_by_its_title_where_there_is_one(self, code: str, told: str) -> None:
        one = listed(of_person(0, 0, 0), occupation_code=code)

        assert history([one], one.id).scores[0].occupation == told

    def test_says_that_the_scores_were_not_made_alike(self) -> None:
        now, before = listed(of_person(0, 0, 0)), listed(of_abilities(0, 0, 0))

        assert "not calculated in the same way" in history([now, before], now.id).comparison

    @pytest.mark.parametrize("count", [2, 8, 20])
    def test_is_drawn_inside_its_picture(self, count: int) -> None:
        scores = [listed(of_person(0, 0, 0, seed=seed)) for seed in range(count)]

        for drawing in drawings.score_history(history(scores, scores[0].id)):
            assert len([one for one in drawing.paths if one.css.startswith("value")]) == count
            assert len([one for one in drawing.paths if one.css == "value now"]) == 1
            places = [float(place) for one in drawing.paths for place in re.findall(r"M(-?[\d.]+),", one.d)]
            assert all(0 <= place <= drawing.width for place in places)
            dates = [one.x for one in drawing.texts if one.text.startswith("2026-")]
            assert all(36 <= place <= drawing.width - 36 for place in dates)  # ten letters of 7.2 pixels
            assert all(after - before >= 72 for before, after in itertools.pairwise(dates))


class TestDrawings:
    @pytest.mark.parametrize(
        ("value", "low", "high"), [(64, 58, 70), (88, 80, 96), (100, 93, 100), (3, 0, 9), (9, 3, 16)]
    )
    def test_of_a_score_stay_inside_and_tell_its_numbers(self, value: float, low: float, high: float) -> None:
        for drawing in drawings.score_scale(Span(value, low, high)):
            assert all(8 <= one.x <= drawing.width - 8 for one in drawing.texts)
            assert {f"{number:.0f}" for number in (value, low, high)} <= {one.text for one in drawing.texts}

    def test_hatch_where_the_score_cannot_be_and_nothing_else(self) -> None:
        for drawing in drawings.score_scale(Span(29, 21, 37), [Unreachable(0, 29.2, "")]):
            line = drawings.Line(drawings.EDGE, drawing.width - drawings.EDGE)
            (hatch,) = [one.d for one in drawing.paths if one.css == "hatch"]
            starts = [float(place) for place in re.findall(r"M(-?[\d.]+),", hatch)]
            assert (min(starts), max(starts)) == (line.at(0), line.at(29.2))
            ends = [float(place) + drawings.HATCHED for place in re.findall(r"M(-?[\d.]+),[\d.]+l", hatch)]
            assert len(ends) > 5
            assert max(ends) <= line.at(29.2)

    def test_hatch_nothing_where_the_score_can_be_all_that_is_drawn(self) -> None:
        for drawing in drawings.score_scale(Span(64, 58, 70)):
            assert not [one for one in drawing.paths if one.css == "hatch"]

    def test_of_a_subdomain_have_a_square_for_each_question(self) -> None:
        drawn = {one.css: one.d for one in drawings.squares(subdomain("a", right=3, missed=[0], expected=2.0)).paths}

        assert (drawn["right"].count("M"), drawn["missed"].count("M")) == (3, 1)

    @pytest.mark.parametrize("expected", [0.0, 1.0, 2.5, 4.0])
    def test_mark_what_was_expected_between_the_squares(self, expected: float) -> None:
        drawing = drawings.squares(subdomain("a", right=2, missed=[0, 1], expected=expected))

        notch = float(re.findall(r"M(-?[\d.]+)", drawing.paths[-1].d)[0])
        ends = [1.5 + number * drawings.STEP - (drawings.STEP - drawings.SQUARE) / 2 for number in range(5)]
        assert notch == pytest.approx(np.interp(expected, range(5), ends), abs=0.1)
