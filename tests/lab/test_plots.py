"""What a plot may not get wrong: a value's place, a model's dashes, and what it says of what it cannot draw."""

import math
import re
from itertools import pairwise

import pytest
from django.template import Context, Template
from msgspec.structs import replace

from qulab.lab.plots import Axis, Bar, Bars, Mark, NotANumber, Plot, Point, Series, overlay
from qulab.lab.plots.drawing import draw_plot
from qulab.lab.plots.scales import number, scale, tick_text
from qulab.lab.plots.view import MOST_ROWS, view

SIZE, RATE = Axis("Pool size", "connections"), Axis("Throughput", "requests/s")


def plot(*series: Series, x: Axis = SIZE, y: Axis = RATE, marks: tuple[Mark, ...] = ()) -> Plot:
    return Plot("knee", "Throughput over size", "What is to be seen.", x, y, list(series), list(marks))


def rising(name: str = "measured", **options: object) -> Series:
    return replace(Series(name, [Point(1, 50, 48, 55), Point(2, 100), Point(4, 190, 180, 200)]), **options)


def html(one: Plot | Bars) -> str:
    return Template("{% load lab %}{% plot one %}").render(Context({"one": one}))


class TestScale:
    @pytest.mark.parametrize("values", [[1, 2, 3], [0.003, 0.004], [1e-9, 1e12], [-5, 5], [7], [0], [3, 3, 3], []])
    def test_a_linear_axis_holds_every_value_between_round_ends(self, values: list[float]) -> None:
        axis = scale(Axis("x"), values, about=5, from_zero=False)

        assert all(axis.at(value) is not None for value in values)
        assert axis.low < axis.high
        assert 2 <= len(axis.ticks) <= 9
        assert axis.ticks == sorted(set(axis.ticks))

    @pytest.mark.parametrize("values", [[1, 2, 3], [0.003, 0.004], [1e-9, 1e12], [7], [3, 3], [], [0, 5], [-1]])
    def test_a_logarithmic_axis_holds_every_value_above_zero(self, values: list[float]) -> None:
        axis = scale(Axis("x", log=True), values, about=5, from_zero=False)

        assert all((axis.at(value) is not None) == (value > 0) for value in values)
        assert 0 < axis.low < axis.high
        assert 1 <= len(axis.ticks) <= 15

    def test_a_decade_is_as_long_as_every_other(self) -> None:
        axis = scale(Axis("x", log=True), [1, 1000], about=5, from_zero=False).onto(0, 300)

        assert [axis.at(value) for value in (1, 10, 100, 1000)] == [0, 100, 200, 300]
        assert axis.ticks == [1, 10, 100, 1000]

    def test_heights_begin_at_zero(self) -> None:
        assert scale(Axis("y"), [90, 100], about=5, from_zero=True).low == 0
        assert scale(Axis("x"), [90, 100], about=5, from_zero=False).low == 90

    def test_given_ends_and_ticks_are_kept(self) -> None:
        axis = scale(Axis("x", low=0, high=30, ticks=[0, 10, 30, 40]), [5], about=5, from_zero=False)

        assert (axis.low, axis.high, axis.ticks) == (0, 30, [0, 10, 30])

    def test_numbers_have_three_figures(self) -> None:
        assert [number(v) for v in (0, 3, 1234.6, 12.34, 1.234, 0.01234)] == [
            "0",
            "3",
            "1,235",
            "12.3",
            "1.23",
            "0.0123",
        ]
        assert [tick_text(v) for v in (0, 0.5, 2500, 50_000, 2e6, 1e-9)] == ["0", "0.5", "2,500", "50k", "2M", "1e-09"]


class TestPlot:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_what_is_no_number_is_refused(self, value: float) -> None:
        for x, y, low in ((value, 1, 1), (1, value, 1), (1, 1, value)):
            with pytest.raises(NotANumber):
                Point(x, y, low, 2)
        with pytest.raises(NotANumber):
            Bar("a", value)
        with pytest.raises(NotANumber):
            Mark("x", value, "limit")

    def test_a_dot_stands_where_its_value_is(self) -> None:
        wide, _narrow = draw_plot(plot(Series("measured", [Point(0, 0), Point(10, 100)], kind="dots")))

        dots = [path.d for path in wide.paths if path.css.startswith("dot")]
        base = next(path.d for path in wide.paths if path.css == "base")
        left, floor, right = map(float, re.findall(r"[\d.]+", base))
        assert dots[0].startswith(f"M{left - 4:g},{floor:g}")
        assert dots[1].startswith(f"M{right - 4:g},30")

    def test_a_median_has_its_range_and_a_single_reading_none(self) -> None:
        wide, _narrow = draw_plot(plot(rising()))

        assert len([path for path in wide.paths if path.css.startswith("whisker")]) == 2

    def test_a_model_is_dashed_and_has_no_dots(self) -> None:
        wide, _narrow = draw_plot(plot(rising(), Series("Little's law", [Point(1, 50), Point(8, 400)], model=True)))

        assert [path.css for path in wide.paths if "model" in path.css] == ["line c-database model"]

    def test_two_of_one_colour_have_different_shapes(self) -> None:
        wide, _narrow = draw_plot(plot(rising(), rising("other")))

        first, second = (d.replace(" ", "") for d in [p.d for p in wide.paths if p.css.startswith("dot")][:4:3])
        assert first.split("a")[0] != second.split("a")[0]
        assert "a4,4" in first
        assert "a4,4" not in second

    def test_names_at_line_ends_do_not_overlap(self) -> None:
        wide, _narrow = draw_plot(plot(*(rising(f"way {i}") for i in range(5))))

        heights = sorted(text.y for text in wide.texts if text.css.startswith("name"))
        assert wide.labelled
        assert len(heights) == 5
        assert all(b - a >= 15 for a, b in pairwise(heights))
        assert all(0 < y < 320 for y in heights)

    def test_long_names_stand_in_a_list(self) -> None:
        seen = view(plot(rising("a name that is far too long for the end of a line"), rising()))

        assert not seen.labelled
        assert [key.name for key in seen.keys][1] == "measured"

    def test_without_readings_it_says_so(self) -> None:
        for one in (plot(), plot(Series("measured", []))):
            assert html(one).count("No readings") == 2
            assert "<details" not in html(one)

    @pytest.mark.parametrize("points", [[Point(3, 7)], [Point(3, 7), Point(3, 7)], [Point(0, 0)], [Point(1e-9, 1e12)]])
    def test_few_or_equal_readings_are_seen(self, points: list[Point]) -> None:
        for kind in ("both", "line", "dots"):
            wide, narrow = draw_plot(plot(Series("measured", points, kind=kind)))
            for drawing in (wide, narrow):
                seen = [path for path in drawing.paths if path.css.startswith(("dot", "line"))]
                assert seen
                assert "nan" not in "".join(path.d for path in drawing.paths)

    def test_zero_on_a_logarithmic_axis_is_told_not_drawn(self) -> None:
        waits = Series("wait", [Point(1, 40), Point(10, 0), Point(100, 4)])

        page = html(plot(waits, y=Axis("Wait", "ms", log=True)))

        assert "1 reading of 0 has no place on a logarithmic axis" in page
        assert page.count('class="dot') == 4  # two dots, wide and narrow
        assert page.count('class="line') == 0  # broken at the zero
        assert '<td class="number">0</td>' in page

    def test_a_range_down_to_zero_ends_at_the_floor(self) -> None:
        wide, _narrow = draw_plot(plot(Series("wait", [Point(1, 4, 0, 9)]), y=Axis("Wait", "ms", log=True)))

        whisker = next(path.d for path in wide.paths if path.css.startswith("whisker"))
        assert whisker.endswith("V274")

    def test_a_limit_is_within_the_axes_and_named(self) -> None:
        wide, _narrow = draw_plot(plot(rising(), marks=(Mark("x", 30, "N max"), Mark("y", 900, "most"))))

        assert len([path for path in wide.paths if path.css == "mark"]) == 2
        assert {text.text for text in wide.texts if text.css.startswith("mark")} == {"N max", "most"}

    def test_ticks_of_the_narrow_drawing_do_not_overlap(self) -> None:
        ticks = [float(10_000 * i) for i in range(1, 15)]
        _wide, narrow = draw_plot(plot(rising(), x=Axis("n", low=0, high=140_000, ticks=ticks)))

        at = [(text.x, len(text.text)) for text in narrow.texts if text.css == "tick middle"]
        assert 1 < len(at) < 14
        assert all(b[0] - a[0] > 7.3 * (a[1] + b[1]) / 2 for a, b in pairwise(at))

    def test_is_told_in_a_sentence_and_in_a_table(self) -> None:
        page = html(plot(rising()))

        assert (
            'role="img" aria-label="Throughput over size: Throughput, requests/s over Pool size, connections. ' in page
        )
        assert "measured: 3 points from 50 to 190 requests/s." in page
        assert '<th scope="row">1</th><td class="number">50 (48 – 55)</td>' in page
        assert '<th scope="row">2</th><td class="number">100</td>' in page
        assert "style=" not in page

    def test_a_long_table_is_cut_and_says_so(self) -> None:
        seen = view(plot(Series("over time", [Point(i, i) for i in range(500)], kind="line")))

        assert len(seen.numbers.rows) <= MOST_ROWS
        assert "500 readings" in seen.numbers.note

    def test_names_are_escaped(self) -> None:
        page = html(plot(rising("<b>")))

        assert "<b>" not in page


class TestBars:
    def bars(self, *bars: Bar, log: bool = False) -> Bars:
        return Bars("ways", "Statements", "How many each sends.", "statements", list(bars), log)

    def lengths(self, bars: Bars) -> list[float]:
        paths = [p.d for p in view(bars).drawings[0].paths if p.css.startswith("bar")]
        return [float(re.findall(r"H([\d.]+)", d)[0]) - float(re.findall(r"M([\d.]+)", d)[0]) for d in paths]

    def test_a_bar_is_as_long_as_its_value(self) -> None:
        one, two = self.lengths(self.bars(Bar("a", 10), Bar("b", 20)))

        assert two == pytest.approx(2 * one, rel=0.01)

    def test_on_a_logarithmic_axis_a_tenfold_value_is_a_step_longer(self) -> None:
        one, two, three = self.lengths(self.bars(Bar("a", 10), Bar("b", 100), Bar("c", 1000), Bar("d", 1), log=True))

        assert two - one == pytest.approx(three - two, abs=0.5)

    def test_nothing_has_no_length_and_is_still_told(self) -> None:
        for log in (False, True):
            bars = self.bars(Bar("a", 0), Bar("b", 20), log=log)
            assert len(self.lengths(bars)) == 1
            assert "0 statements" in html(bars)

    def test_without_bars_it_says_so(self) -> None:
        assert "No readings." in html(self.bars())

    def test_ranges_are_drawn_and_in_the_table(self) -> None:
        page = html(self.bars(Bar("a", 10, 8, 12), Bar("b", 20, text="20 in 3 calls")))

        assert page.count('class="whisker') == 2
        assert '<td class="number">8</td><td class="number">12</td>' in page
        assert "20 in 3 calls" in page

    def test_long_labels_stand_above_their_bars(self) -> None:
        wide = view(self.bars(Bar("a label that is longer than the space beside the bar", 3))).drawings[0]

        assert next(text for text in wide.texts if text.css == "bar-label").x == 0
        assert max(float(x) for p in wide.paths if p.css == "base" for x in re.findall(r"M([\d.]+)", p.d)) == 1


class TestOverlay:
    def test_runs_are_told_apart_by_name_and_by_the_form_of_line_and_dot(self) -> None:
        both = overlay(plot(rising()), plot(rising()), names=("SQLite", "PostgreSQL"))

        assert [(one.name, one.second) for one in both.series] == [
            ("SQLite: measured", False),
            ("PostgreSQL: measured", True),
        ]
        wide, _narrow = draw_plot(both)
        assert len([path for path in wide.paths if path.css == "dot c-database second"]) == 3
        assert len([path for path in wide.paths if path.css == "dot c-database"]) == 3

    def test_ways_keep_their_shapes_in_both_runs(self) -> None:
        both = overlay(plot(rising("lazy"), rising("eager")), plot(rising("lazy"), rising("eager")))

        lazy_a, eager_a, lazy_b, eager_b = (one.shape for one in both.series)
        assert (lazy_a, eager_a) == (lazy_b, eager_b)
        assert lazy_a != eager_a

    def test_what_the_model_says_of_both_stands_once(self) -> None:
        law = Series("Little's law", [Point(1, 50), Point(8, 400)], model=True)

        both = overlay(plot(rising(), law), plot(rising(), law))

        assert [one.name for one in both.series] == ["Little's law", "A: measured", "B: measured"]

    def test_the_axes_hold_both(self) -> None:
        near, far = Axis("Size", low=0, high=10, ticks=[0, 10]), Axis("Size", low=0, high=40, ticks=[0, 40])

        both = overlay(plot(rising(), x=near), plot(rising(), x=far))

        assert (both.x.high, both.x.ticks) == (40, [0, 10, 40])
