"""What is called better was measured to be: a verdict needs ranges that lie apart, or counts that repeat."""

import pytest

from qulab.lab.comparison import _figures
from qulab.lab.workbench import Figure


def time(value: float, low: float, high: float, n: int = 3) -> Figure:
    return Figure(name="time", value=value, unit="ms", low=low, high=high, n=n, better="lower")


def count(value: float, *, exact: bool = True) -> Figure:
    return Figure(name="time", value=value, better="lower", exact=exact)


def rate(value: float) -> Figure:
    return Figure(name="time", value=value, low=value - 1, high=value + 1, n=3, better="higher")


class TestVerdict:
    @pytest.mark.parametrize(
        ("a", "b", "verdict"),
        [
            (time(10, 8, 12), time(11, 9, 13), "alike"),
            (time(10, 8, 12), time(20, 13, 22), "worse"),
            (time(20, 13, 22), time(10, 8, 12), "better"),
            (time(10, 10, 10, n=1), time(20, 20, 20, n=1), "other"),
            (count(201), count(2), "better"),
            (count(2), count(2), "alike"),
            (count(1.2, exact=False), count(1.5, exact=False), "other"),
            (rate(100), rate(200), "better"),
            (Figure(name="time", value=1, exact=True), Figure(name="time", value=2, exact=True), "other"),
        ],
    )
    def test_is_about_b_beside_a(self, a: Figure, b: Figure, verdict: str) -> None:
        (compared,) = _figures([a], [b])

        assert compared.verdict == verdict

    def test_of_what_only_one_run_measured_is_none(self) -> None:
        assert _figures([time(1, 1, 1)], [Figure(name="another", value=1)]) == []

    def test_has_no_ratio_to_nothing(self) -> None:
        (compared,) = _figures([count(0)], [count(3)])

        assert compared.ratio is None
