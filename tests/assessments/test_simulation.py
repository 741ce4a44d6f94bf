"""Many in columns and one by one are the same test, and the test on the real bank keeps to the gates of its design."""

from itertools import islice

import msgspec
import numpy as np
import pytest

from assessments.bank import bank
from assessments.baselines import _answers, choose_at_random, choose_by_truth
from assessments.estimation import DIGITS, SLOPE, estimate, information
from assessments.examinees import BLOCK, Examinees, examinees, reply
from assessments.occupations import find
from assessments.pools import ItemPool, pool_of
from assessments.scoring import COMPONENTS, Answers, recalculate, score_many, score_test
from assessments.selection import LEAST_ITEMS, MOST_ITEMS, PRECISION, draws, is_finished
from assessments.simulation import TOGETHER, Tests, take
from qulab.db.engine import create_database
from qulab.lab.experiments import Bench
from qulab.lab.experiments.simulation import run
from qulab.lab.experiments.simulation_fixed import over_banks
from qulab.lab.experiments.simulation_result import SimulationParameters, SimulationResult

POOLS = [pool_of(name) for name in COMPONENTS]


def some(count: int, seed: int = 7) -> Examinees:
    (people,) = examinees(seed, count)
    return people


def one_by_one(people: Examinees, examinee: int, component: int) -> tuple[list[Answers], list[float]]:
    """The test of one examinee by the functions that serve people: the answers after each step, and the estimates."""
    name, pool = COMPONENTS[component], POOLS[component]
    steps, estimates, theta, sd = [Answers("", [], [], [], [])], list[float](), 0.0, 1.0
    while not is_finished(len(steps) - 1, sd):
        before = steps[-1]
        chosen, _ = pool.next_item(before.items, theta, draws(people.seeds[examinee], name, len(steps)))
        item = pool.items[chosen]
        b, c = float(item.level), item.GUESSING
        right = people.is_right(examinee, component, len(steps), b=b, c=c)
        steps.append(Answers("", [*before.items, chosen], [*before.b, b], [*before.c, c], [*before.right, right]))
        theta, sd = (ability := steps[-1].ability()).theta, ability.sd
        estimates.append(theta)
    return steps[1:], estimates


def answers_of(pool: ItemPool, tests: Tests, examinee: int) -> Answers:
    asked = tests.items[examinee, : tests.length[examinee]].tolist()
    right = tests.right[examinee, : tests.length[examinee]].tolist()
    return Answers(
        "",
        [pool.ids[number] for number in asked],
        pool.pool.b[asked].tolist(),
        pool.pool.c[asked].tolist(),
        right,
    )


class TestInColumns:
    @pytest.mark.parametrize("component", range(len(COMPONENTS)))
    def test_each_examinee_gets_the_items_the_estimates_and_the_length_of_the_scalar_path(self, component: int) -> None:
        people, pool = some(60), POOLS[component]

        tests = take(pool.pool, people.ability[:, component], people.chance[component])

        for examinee in range(len(people)):
            steps, estimates = one_by_one(people, examinee, component)
            answers, ability, length = steps[-1], steps[-1].ability(), len(steps)
            assert answers_of(pool, tests, examinee) == answers
            assert round(tests.theta[examinee] - ability.theta, DIGITS) == 0
            assert round(tests.sd[examinee] - ability.sd, DIGITS) == 0
            assert tests.theta_after[examinee, :length] == pytest.approx(estimates, abs=1e-9)

    def test_a_test_is_as_long_as_its_precision_needs(self) -> None:
        people = some(200)

        tests = take(POOLS[0].pool, people.ability[:, 0], people.chance[0])

        assert tests.length.min() >= LEAST_ITEMS
        precise = tests.sd <= PRECISION
        assert (precise | (tests.length == MOST_ITEMS)).all()
        assert precise.any()
        assert not precise.all()

    def test_with_fixed_errors_an_item_is_as_hard_for_each_who_is_asked_it(self) -> None:
        """Errors so large that they decide: items off upwards are all missed, all others are known."""
        people, pool = some(200), POOLS[1].pool
        harder = np.arange(len(pool.b)) % 2 == 0
        errors = np.where(harder, 200.0, -200.0)

        tests = take(pool, people.ability[:, 1], people.chance[1], np.tile(errors, (200, 1)))

        asked = tests.items >= 0
        guessing = people.chance[1].answer < pool.c[tests.items]
        assert (tests.right[asked] == (~harder[tests.items] | guessing)[asked]).all()

    def test_with_fixed_errors_each_examinee_has_those_of_their_own_bank(self) -> None:
        """Errors that are chosen to be what chance would have said at each step give the same test."""
        people, pool = some(TOGETHER + 40), POOLS[2].pool
        usual = take(pool, people.ability[:, 2], people.chance[2])
        errors = np.zeros((len(people), len(pool.b)))
        for examinee, length in enumerate(usual.length):
            errors[examinee, usual.items[examinee, :length]] = people.chance[2].difficulty[examinee, :length]

        fixed = take(pool, people.ability[:, 2], people.chance[2], errors)

        assert (fixed.items == usual.items).all()
        assert (fixed.right == usual.right).all()
        assert (fixed.theta == usual.theta).all()

    def test_no_item_comes_twice_and_each_subdomain_is_asked(self) -> None:
        people, pool = some(200), POOLS[1].pool

        tests = take(pool, people.ability[:, 1], people.chance[1])

        for asked, length in zip(tests.items, tests.length, strict=True):
            shown = asked[:length].tolist()
            assert len(set(shown)) == length
            filled = np.bincount(pool.subdomain[shown], minlength=4)
            assert filled.max() - filled.min() <= 1


class TestExaminees:
    def test_a_seed_stands_for_the_same_ones_and_more_begin_with_the_fewer(self) -> None:
        few, (many, rest) = some(30), examinees(7, BLOCK + 10)

        assert (few.ability == many.ability[:30]).all()
        assert (few.chance[2].answer == many.chance[2].answer[:30]).all()
        assert few.seeds == many.seeds[:30]
        assert (len(many), len(rest)) == (BLOCK, 10)
        assert (some(30, seed=8).ability != few.ability).all()

    def test_their_abilities_come_from_the_prior_of_the_score(self) -> None:
        """5,000 draws: to .06, four standard errors."""
        ability = np.concatenate([one.ability for one in examinees(1, 5_000)])

        assert ability.mean(axis=0) == pytest.approx([0, 0, 0], abs=0.06)
        assert ability.std(axis=0) == pytest.approx([1, 1, 1], abs=0.06)
        assert np.corrcoef(ability.T)[np.triu_indices(3, 1)] == pytest.approx([0.3] * 3, abs=0.06)

    def test_their_true_score_is_that_of_abilities_without_an_error(self) -> None:
        people = some(100)

        known = score_many(people.ability, np.full(people.ability.shape, 1e-6), people.hr)

        assert people.air == pytest.approx(known.air, abs=1e-6)

    def test_what_they_answer_is_right_or_wrong_as_the_bank_judges_it(self) -> None:
        for item in bank().items.values():
            for is_right in (True, False):
                given = reply(item, is_right=is_right)
                assert item.accepts(given), item.id
                assert item.is_right(item.normal(given)) is is_right, item.id


class TestRecalculation:
    def test_the_metadata_of_1000_simulated_people_gives_their_score_again_to_the_last_bit(self) -> None:
        released, scored = bank(), 0

        for people in examinees(3, 1_000):
            tests = [take(pool.pool, people.ability[:, k], people.chance[k]) for k, pool in enumerate(POOLS)]
            theta = np.stack([one.theta for one in tests], axis=1)
            many = score_many(theta, np.stack([one.sd for one in tests], axis=1), people.hr)
            for examinee in range(len(people)):
                answers = {
                    name: answers_of(pool, of_one, examinee)
                    for name, pool, of_one in zip(COMPONENTS, POOLS, tests, strict=True)
                }
                origin = {"version": released.version, "sha256": released.sha256}
                score = score_test(answers, find(people.code(examinee)), origin)
                again = recalculate(msgspec.json.decode(msgspec.json.encode(score.metadata)))

                assert again == score
                assert score.air == pytest.approx(many.air[examinee], abs=1e-9)
                scored += 1

        assert scored == 1_000


class TestBaselines:
    def test_random_choice_stops_at_the_first_item_that_is_enough(self) -> None:
        """Told again with the estimate that people get: the same chance gives the same order and answers."""
        people, pool, again = some(50), POOLS[0].pool, np.random.default_rng(1)
        until = np.linspace(0.45, 0.7, 50)

        chosen = choose_at_random(pool, people.ability[:, 0], until, np.random.default_rng(1))

        assert chosen.reached.all()
        order = again.permuted(np.tile(np.arange(len(pool.b)), (50, 1)), axis=1)
        right = _answers(pool, people.ability[:, 0], order, again)
        for examinee, length in enumerate(chosen.length.tolist()):
            for count, is_enough in ((length, True), (length - 1, False)):
                items = order[examinee, :count]
                told = estimate(
                    [SLOPE] * count, pool.b[items].tolist(), pool.c[items].tolist(), right[examinee, :count]
                )
                assert bool(told.sd <= until[examinee]) is is_enough

    def test_random_choice_ends_with_the_bank_where_nothing_is_enough(self) -> None:
        people, pool = some(20), POOLS[0].pool

        chosen = choose_at_random(pool, people.ability[:, 0], np.full(20, 0.01), np.random.default_rng(1))

        assert not chosen.reached.any()
        assert (chosen.length == len(pool.b)).all()

    def test_the_oracle_asks_what_tells_most_at_the_truth(self, monkeypatch: pytest.MonkeyPatch) -> None:
        people, pool = some(40), POOLS[2].pool
        asked: list[np.ndarray] = []

        def keep(log_right, log_wrong, items, right):  # type: ignore[no-untyped-def]
            asked.append(items)
            return np.zeros(len(items)), np.ones(len(items))

        monkeypatch.setattr("assessments.baselines.estimates", keep)
        length = np.arange(40) % 8 + 8

        choose_by_truth(pool, people.ability[:, 2], length, np.random.default_rng(1))

        for theta, items, count in zip(people.ability[:, 2], asked[0], length, strict=True):
            chosen = items[items >= 0]
            assert len(set(chosen.tolist())) == len(chosen) == count
            known = information(theta, SLOPE, pool.b, pool.c)
            assert known[chosen].min() >= np.delete(known, chosen).max() - 1e-12

    def test_the_estimate_of_the_oracle_is_that_of_people(self) -> None:
        """Told again for each examinee: the same chance gives the same answers."""
        people, pool, again = some(30), POOLS[0].pool, np.random.default_rng(1)
        ability, lengths = people.ability[:, 0], np.arange(30) % 8 + 8
        lengths[::10] = len(pool.b)

        theta = choose_by_truth(pool, ability, lengths, np.random.default_rng(1))

        known = information(ability[:, None], SLOPE, pool.b, pool.c)
        order = np.argsort(-known, axis=1, kind="stable")
        right = _answers(pool, ability, order, again)
        for examinee, length in enumerate(lengths.tolist()):
            items, given = order[examinee, :length], right[examinee, :length].tolist()
            told = estimate([SLOPE] * length, pool.b[items].tolist(), pool.c[items].tolist(), given)
            assert round(theta[examinee] - told.theta, DIGITS) == 0


@pytest.fixture(scope="module")
async def simulated() -> SimulationResult:
    """5,000 examinees, 15,000 tests: standard errors of .18 (θ) and .31 (AI-R) for coverage, .005 for the bias of θ."""
    database = create_database("sqlite+aiosqlite:///:memory:")
    async with Bench(database) as bench:
        result = await run(SimulationParameters(examinees=5_000, seed=20_261), bench)
    await database.close()
    return result


class TestGates:
    def test_the_interval_of_an_ability_holds_it_in_94_to_96_of_a_hundred(self, simulated: SimulationResult) -> None:
        assert simulated.theta.coverage.se < 0.2
        assert 94 <= simulated.theta.coverage.value <= 96
        for component in simulated.components:
            assert 94 <= component.accuracy.coverage.value <= 96, component.name

    def test_the_interval_of_the_score_holds_it_in_94_to_96_of_a_hundred(self, simulated: SimulationResult) -> None:
        assert simulated.air.coverage.se < 0.35
        assert 94 <= simulated.air.coverage.value <= 96

    def test_no_ability_is_told_too_high_or_too_low_on_average(self, simulated: SimulationResult) -> None:
        assert simulated.theta.bias.se < 0.006
        assert abs(simulated.theta.bias.value) < 0.02

    def test_the_bias_of_one_real_bank_is_not_what_the_gate_tells(self, simulated: SimulationResult) -> None:
        """500 examinees a bank: the worst lies beyond gate and chance, and the intervals hold still."""
        told = {one.name: one for one in over_banks(simulated.fixed_banks)}
        worst = max((one.theta.bias for one in simulated.fixed_banks), key=lambda bias: abs(bias.value))

        assert [one.examinees for one in simulated.fixed_banks] == [500] * 10
        assert abs(worst.value) > max(0.04, 3 * worst.se)
        assert worst.value in (told["theta-bias"].low, told["theta-bias"].high)
        assert told["theta-coverage"].low > 94
        assert told["air-coverage"].low > 92

    def test_the_error_is_at_most_a_tenth_above_that_of_who_knows_the_truth(self, simulated: SimulationResult) -> None:
        assert simulated.comparison.ratio.se < 0.01
        assert simulated.comparison.ratio.value <= 1.1

    def test_random_choice_needs_so_many_items_that_35_of_a_hundred_are_saved(
        self, simulated: SimulationResult
    ) -> None:
        assert simulated.comparison.saving.se < 0.2
        assert simulated.comparison.saving.value >= 35
        assert simulated.comparison.beyond < 0.1

    def test_no_item_is_shown_to_more_than_nine_of_ten(self, simulated: SimulationResult) -> None:
        assert len(simulated.exposure) == 192
        assert simulated.exposure[0].percent <= 90

    def test_the_stated_precision_is_the_measured_one(self, simulated: SimulationResult) -> None:
        for one in (simulated.theta, simulated.air):
            assert one.rmse.value == pytest.approx(one.sd, rel=0.03)

    def test_all_of_them_are_met(self, simulated: SimulationResult) -> None:
        assert simulated.missed == []
        assert len(simulated.gates) == 6

    def test_extremes_shrink_toward_the_middle_as_people_are_told(self, simulated: SimulationResult) -> None:
        first, last = simulated.by_truth[0], simulated.by_truth[-1]

        assert first.at < first.mean < 0 < last.mean < last.at
        assert sum(one.n for one in simulated.by_truth) == 3 * simulated.examinees

    def test_whoever_has_an_estimate_can_rely_on_it_wherever_it_lies(self, simulated: SimulationResult) -> None:
        """Of who truly lies far out fewer intervals hold the truth; of who is told so, as many as of anybody."""
        assert min(one.accuracy.coverage.value for one in simulated.by_truth) < 90
        for one in simulated.by_estimate:
            assert one.accuracy.coverage.value == pytest.approx(95, abs=4 * max(one.accuracy.coverage.se, 0.4)), one
            assert one.mean == pytest.approx(one.at, abs=0.1)

    def test_few_of_the_items_are_never_shown(self, simulated: SimulationResult) -> None:
        assert sum(one.percent == 0 for one in islice(simulated.exposure, 192)) == 0
