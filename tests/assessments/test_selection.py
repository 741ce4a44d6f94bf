"""What is asked next, drawn from where, and when a component's test is over."""

from collections import Counter
from collections.abc import Set
from itertools import pairwise

import numpy as np
import pytest

from assessments.estimation import SLOPE, information
from assessments.selection import (
    LEAST_ITEMS,
    MOST_INFORMATIVE,
    MOST_ITEMS,
    PRECISION,
    Draws,
    Pool,
    draws,
    is_finished,
    place,
)

ANY = Draws(0.5, 0.5)
LAST = 1 - 2**-53  # the greatest number below 1


def pool() -> Pool:
    """Three subdomains of eight items: items 0–7, 8–15 and 16–23, difficulties −2 to 2 in each."""
    return Pool([-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0] * 3, [0.25, 0.02] * 12, [0] * 8 + [1] * 8 + [2] * 8)


def path(seed: str, thetas: list[float], of: Pool) -> list[int]:
    """The items that a sitting of this seed is asked, its estimates given."""
    asked = list[int]()
    for position, theta in enumerate(thetas, start=1):
        asked.append(of.next_item(set(asked), theta, draws(seed, "fluency", position)).item)
    return asked


class TestNextItem:
    @pytest.mark.parametrize(
        ("administered", "subdomain"),
        [({0, 8}, 2), ({0, 16}, 1), ({8, 16}, 0), ({0, 1, 8, 9, 16}, 2), ({0, 1, 2, 8, 16, 17, 18}, 1)],
    )
    @pytest.mark.parametrize("draw", [0, 0.5, LAST])
    def test_comes_from_the_least_filled_subdomain(self, administered: Set[int], subdomain: int, draw: float) -> None:
        pick = pool().next_item(administered, 0.3, Draws(draw, draw))

        assert {number // 8 for number in (pick.item, *pick.candidates)} == {subdomain}

    @pytest.mark.parametrize(("draw", "subdomain"), [(0, 0), (0.33, 0), (0.34, 1), (0.66, 1), (0.67, 2), (LAST, 2)])
    def test_chance_decides_between_subdomains_filled_alike(self, draw: float, subdomain: int) -> None:
        assert pool().next_item(set(), 0, Draws(draw, 0)).item // 8 == subdomain

    @pytest.mark.parametrize("theta", [-7, -2.2, -0.4, 0, 0.126, 1.9, 7])
    def test_comes_from_the_five_most_informative_at_the_estimate(self, theta: float) -> None:
        one, administered = pool(), {0, 2, 8, 16}  # 0: one more in its subdomain than in the others
        known = information(min(max(round(theta, 2), -6), 6), SLOPE, one.b, one.c)

        pick = one.next_item(administered, theta, Draws(0, 0))

        free = [number for number in range(8, 16) if number not in administered]
        best = sorted(free, key=lambda number: (-known[number].round(9), number))[:MOST_INFORMATIVE]
        assert pick.candidates == best

    @pytest.mark.parametrize("left", range(1, 9))
    def test_each_candidate_is_drawn_by_an_equal_part_of_the_chances(self, left: int) -> None:
        one, administered = pool(), set(range(8 - left)) | set(range(8, 24))
        candidates = one.next_item(administered, 0, ANY).candidates
        parts = len(candidates)

        first = [one.next_item(administered, 0, Draws(0, part / parts)).item for part in range(parts)]
        last = [one.next_item(administered, 0, Draws(0, (part + 1) / parts - 1e-9)).item for part in range(parts)]

        assert parts == min(left, MOST_INFORMATIVE)
        assert first == last == candidates
        assert one.next_item(administered, 0, Draws(LAST, LAST)).item == candidates[-1]

    def test_is_never_an_item_twice_until_the_pool_is_exhausted(self) -> None:
        asked = path("a seed", [0.1] * 24, pool())

        assert sorted(asked) == list(range(24))

    def test_passes_over_a_subdomain_that_is_used_up(self) -> None:
        one = Pool([0.0] * 5, [0.25] * 5, [0, 1, 1, 1, 1])

        assert one.next_item({0, 1, 2}, 0, ANY).item in {3, 4}

    def test_there_is_none_in_an_exhausted_pool(self) -> None:
        with pytest.raises(LookupError, match="all items"):
            pool().next_item(set(range(24)), 0, ANY)

    def test_items_alike_are_ranked_by_their_numbers(self) -> None:
        one = Pool([0.0] * 8, [0.25] * 8, [0] * 8)

        assert one.next_item({1}, 0, ANY).candidates == [0, 2, 3, 4, 5]

    def test_items_alike_stay_so_where_rounding_tells_them_apart(self) -> None:
        """Mirrored difficulties without guessing are equally informative at 0, but for the last bits."""
        one = Pool([-1.1, 1.1, 0.7, -0.7], [0.0] * 4, [0] * 4)

        assert one.next_item(set(), 0, ANY).candidates == [2, 3, 0, 1]

    def test_an_estimate_beyond_the_grid_counts_as_its_end(self) -> None:
        assert pool().next_item(set(), 99, ANY) == pool().next_item(set(), 6, ANY)
        assert pool().next_item(set(), -99, ANY) == pool().next_item(set(), -6, ANY)

    @pytest.mark.parametrize(("theta", "row"), [(-6, 0), (-99, 0), (0, 600), (0.0049, 600), (0.0051, 601), (6, 1200)])
    def test_the_estimate_is_taken_to_the_nearest_hundredth(self, theta: float, row: int) -> None:
        assert place(theta) == row


class TestPath:
    THETAS = [0.0, 0.4, 0.1, -0.2, 0.3, 0.5, 0.2, 0.4, 0.6, 0.3, 0.5, 0.4, 0.3, 0.2, 0.3]

    def test_the_same_seed_gives_the_same_path(self) -> None:
        assert path("one", self.THETAS, pool()) == path("one", self.THETAS, pool())

    def test_another_seed_gives_another(self) -> None:
        paths = {tuple(path(f"seed {number}", self.THETAS, pool())) for number in range(50)}

        assert len(paths) == 50

    def test_keeps_the_subdomains_filled_alike_at_each_step(self) -> None:
        filled = Counter[int]()
        for number in path("even", self.THETAS, pool()):
            filled[number // 8] += 1
            assert max(filled.values()) - min(filled[one] for one in range(3)) <= 1

    def test_chance_is_spread_evenly_over_subdomains_and_candidates(self) -> None:
        """χ² of 6,000 seeds over 3 subdomains × 5 candidates: 14 degrees of freedom, 1 in 1,000 lies above 36.1."""
        one, count = pool(), 6000
        drawn = Counter(
            one.next_item(set(), 0, draws(f"sitting {number}", "domain", 1)).item for number in range(count)
        )
        expected = count / 15

        assert len(drawn) == 15
        assert sum((seen - expected) ** 2 / expected for seen in drawn.values()) < 36.1

    def test_chance_of_one_step_says_nothing_about_the_next(self) -> None:
        """χ² of the pairs of parts, of 10 × 10: 81 degrees of freedom, 1 in 1,000 lies above 126.1."""
        parts = [int(10 * draws("one sitting", "domain", position).item) for position in range(10_001)]
        pairs, single = Counter(pairwise(parts)), Counter(parts[:-1])
        after = Counter(parts[1:])

        expected = {(x, y): single[x] * after[y] / 10_000 for x in range(10) for y in range(10)}

        assert sum((pairs[pair] - mean) ** 2 / mean for pair, mean in expected.items()) < 126.1


class TestDraws:
    def test_lie_from_zero_to_below_one(self) -> None:
        of_all = [draws(str(number), "adaptive", number) for number in range(2000)]

        assert all(0 <= part < 1 for one in of_all for part in (one.subdomain, one.item))

    @pytest.mark.parametrize("octets", [b"\x00" * 16, b"\xff" * 16])
    def test_do_so_at_the_ends_of_the_hash(self, octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        class Hash:
            def __init__(self, message: bytes, *, digest_size: int) -> None:
                assert len(octets) == digest_size

            def digest(self) -> bytes:
                return octets

        monkeypatch.setattr("assessments.selection.blake2b", Hash)

        ends = draws("any", "domain", 1)

        assert 0 <= ends.subdomain == ends.item < 1
        assert all(int(ends.item * parts) in (0, parts - 1) for parts in range(1, 17))

    @pytest.mark.parametrize(("component", "position"), [("fluency", 2), ("domain", 1)])
    def test_are_others_at_each_position_and_in_each_component(self, component: str, position: int) -> None:
        assert draws("seed", component, position) != draws("seed", "fluency", 1)

    def test_are_what_they_have_always_been(self) -> None:
        """A sitting that was begun under an older release goes on under this one as it would have."""
        assert draws("2026", "fluency", 1) == Draws(0.21184849933316838, 0.9937838552738159)

    def test_are_spread_evenly(self) -> None:
        """χ² of 10,000 numbers over 100 parts: 99 degrees of freedom, 1 in 1,000 lies above 148.2."""
        numbers = np.array([draws(f"sitting {number}", "fluency", 1).subdomain for number in range(10_000)])

        counts = np.bincount((100 * numbers).astype(int), minlength=100)

        assert ((counts - 100) ** 2 / 100).sum() < 148.2


class TestIsFinished:
    @pytest.mark.parametrize(
        ("administered", "sd", "finished"),
        [
            (0, 1.0, False),
            (LEAST_ITEMS - 1, PRECISION - 0.1, False),
            (LEAST_ITEMS, PRECISION + 1e-9, False),
            (LEAST_ITEMS, PRECISION, True),
            (LEAST_ITEMS, PRECISION - 0.1, True),
            (MOST_ITEMS - 1, PRECISION + 1e-9, False),
            (MOST_ITEMS - 1, PRECISION, True),
            (MOST_ITEMS, 0.9, True),
            (MOST_ITEMS + 1, 0.9, True),
        ],
    )
    def test_by_precision_from_the_least_number_on_and_by_length_at_the_most(
        self, administered: int, sd: float, finished: bool
    ) -> None:
        assert is_finished(administered, sd) is finished

    def test_the_numbers_are_those_of_the_design(self) -> None:
        assert (LEAST_ITEMS, MOST_ITEMS, PRECISION, MOST_INFORMATIVE) == (8, 15, 0.5, 5)
