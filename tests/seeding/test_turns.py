from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from assessments.bank import bank
from assessments.bits import Integers, normal
from assessments.occupations import OCCUPATIONS
from assessments.pools import pool_of
from assessments.population import BLOCK, MOST_SCORES, MOST_USERS, Block, Columns
from assessments.scoring import COMPONENTS, PARAMETERS, Answers, component_score, recalculate, score_test
from assessments.selection import LEAST_ITEMS, MOST_ITEMS, PRECISION
from assessments.turns import Begun, Turn

from .rows import Plain, digest, plain

EACH = range(len(COMPONENTS))


def whole(block: Block, turns: int = 2) -> list[Plain]:
    begun, tests = Begun(block), [Turn(block, number) for number in range(turns)]
    parts = [begun.assessments(component) for component in EACH]
    parts += [turn.assessments(component) for turn in tests for component in EACH]
    return [plain(part) for part in [*parts, *(turn.columns() for turn in tests)]]


def told(turn: Turn) -> list[dict[str, Any]]:
    """The metadata of all scores."""
    return [msgspec.json.decode(bytes(one)) for one in turn.columns()["calculation_metadata"]]


def answered(metadata: dict[str, Any]) -> dict[str, Answers]:
    return msgspec.convert(metadata["answers"], dict[str, Answers])


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class TestTurn:
    def test_is_the_same_each_time_to_the_last_bit(self) -> None:
        assert whole(Block(7, 3, 50)) == whole(Block(7, 3, 50))

    def test_is_the_same_on_every_machine_and_day(self) -> None:
        """A change here means that what people seeded cannot be resumed: change it on purpose or not at all."""
        assert digest(whole(Block(1, 0, 20))) == "63f72e7d0d83e285"

    @pytest.mark.parametrize("size", [1, 10, 257])
    def test_of_fewer_people_is_the_beginning_of_that_of_more(self, size: int) -> None:
        few, many = Turn(Block(1, 0, size), 1), Turn(Block(1, 0, 600), 1)

        for part, longer in [(few.columns(), many.columns()), (few.assessments(2), many.assessments(2))]:
            assert plain(part) == {name: values[:size] for name, values in plain(longer).items()}

    def test_of_another_seed_block_or_number_shares_no_id(self) -> None:
        turns = [Turn(Block(seed, block, 100), turn) for seed in (1, 2) for block in (0, 1) for turn in (0, 1)]

        assert len({id_ for turn in turns for id_ in turn.ids}) == 800
        assert len({id_ for turn in turns for ids in turn.assessment_ids for id_ in ids}) == 2400

    def test_the_last_of_the_last_people_lies_in_the_past(self) -> None:
        block = Block(1, MOST_USERS // BLOCK - 1)
        times = [Turn(block, MOST_SCORES - 1).columns()["updated_at"]]
        times += [Begun(block).assessments(component)["updated_at"] for component in EACH]

        assert max(map(max, times)) < np.datetime64(datetime(2025, 6, 1))  # noqa: DTZ001 - numpy's moments have no zone
        assert datetime.now(UTC) > datetime(2025, 6, 1, tzinfo=UTC)


class TestScores:
    def test_each_row_is_what_its_metadata_alone_gives(self) -> None:
        turn = Turn(Block(1, 0, 1_000), 1)

        for row, metadata in zip(rows_of(turn.columns()), told(turn), strict=True):
            again = recalculate(metadata)
            parts = (again.air, again.vr, again.hr, again.synergy, again.ci_lower, again.ci_upper)
            names = ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper")
            assert tuple(row[name] for name in names) == parts
            assert metadata == again.metadata

    def test_each_row_is_what_the_service_would_store_of_its_answers(self) -> None:
        turn = Turn(Block(2, 1, 300), 0)
        current = bank()
        origin = {"version": current.version, "sha256": current.sha256}

        for row, metadata in zip(rows_of(turn.columns()), told(turn), strict=True):
            scored = score_test(answered(metadata), OCCUPATIONS[row["occupation_code"]], origin)
            assert bytes(row["calculation_metadata"]) == msgspec.json.encode(scored.metadata)
            assert (row["air_score"], row["parameter_version"]) == (scored.air, "2026.1")

    def test_their_answers_are_whole_tests_of_items_of_the_bank(self) -> None:
        items = bank().items
        for metadata in told(Turn(Block(1, 0, 300), 0)):
            for component, answers in answered(metadata).items():
                assert LEAST_ITEMS <= len(set(answers.items)) == len(answers.items) <= MOST_ITEMS
                assert set(answers.items) <= set(pool_of(component).ids)
                assert answers.b == [items[one].level for one in answers.items]
                assert answers.c == [items[one].GUESSING for one in answers.items]
                assert len(answers.items) == MOST_ITEMS or answers.ability().sd <= PRECISION

    def test_their_intervals_hold_the_readiness_that_is_true(self) -> None:
        """95 % of them; of 8,000 people, four standard errors of that are one per cent."""
        inside = []
        for number in range(4):
            turn = Turn(Block(3, number), 0)
            true = np.array(PARAMETERS.weights) @ component_score(turn.ability)
            inside.append(np.abs(turn.scored.vr - true) <= 1.96 * turn.scored.vr_se)

        assert np.mean(inside) == pytest.approx(0.95, abs=0.01)

    def test_grow_a_little_from_one_to_the_next(self) -> None:
        block = Block(1, 0, 1_000)
        first, last = (Turn(block, number).scored.vr.mean() for number in (0, 10))

        assert 3 < last - first < 10

    def test_metadata_names_the_assessments_that_it_came_from(self) -> None:
        turn = Turn(Block(1, 0, 50), 1)
        rows = {name: rows_of(turn.assessments(number)) for number, name in enumerate(COMPONENTS)}

        for person, metadata in enumerate(told(turn)):
            for name, answers in answered(metadata).items():
                row = rows[name][person]
                assert answers.assessment_id == row["id"]
                assert metadata["abilities"][name] == {"theta": row["current_ability"], "sd": row["posterior_sd"]}
                assert (row["status"], row["items_administered"]) == ("completed", len(answers.items))


class TestAssessments:
    def test_come_one_after_the_other_before_their_score(self) -> None:
        turn = Turn(Block(1, 0, 50), 0)
        parts = [turn.assessments(component) for component in EACH]
        times = [part[name] for part in parts for name in ("created_at", "updated_at")]
        moments = np.array([turn.block.users()["created_at"], *times, turn.columns()["created_at"]])

        assert (np.diff(moments, axis=0) >= np.timedelta64(0)).all()


class TestBegun:
    def test_each_person_is_at_one_component_and_has_completed_those_before(self) -> None:
        of_people: dict[str, list[str]] = {}
        for component in EACH:
            for row in rows_of(Begun(Block(1, 0)).assessments(component)):
                of_people.setdefault(row["user_id"], []).append(row["status"])

        assert {tuple(statuses) for statuses in of_people.values()} == {
            ("completed",) * before + ("in_progress",) for before in EACH
        }
        assert len(of_people) / BLOCK == pytest.approx(0.3, abs=0.05)

    def test_what_is_in_progress_is_the_beginning_of_a_test_and_its_estimate(self) -> None:
        block = Block(1, 0, 300)
        begun, turn, lengths = Begun(block), Turn(block, MOST_SCORES), set()
        for component, name in enumerate(COMPONENTS):
            answers = [answered(metadata)[name] for metadata in told(turn)]
            for person, row in zip(begun.who(component), rows_of(begun.assessments(component)), strict=True):
                count = row["items_administered"]
                estimate = first(answers[person], count).ability()
                assert (row["id"], row["user_id"]) == (answers[person].assessment_id, block.user_ids[person])
                assert (row["current_ability"], row["posterior_sd"]) == (estimate.theta, estimate.sd)
                assert (row["status"] == "completed") == (count == len(answers[person].items))
                lengths.add(count)

        assert lengths == set(range(1, MOST_ITEMS + 1))

    def test_came_after_all_scores(self) -> None:
        block = Block(1, 0, 100)
        begun = Begun(block)
        last = np.array(Turn(block, MOST_SCORES - 1).columns()["created_at"])

        assert (np.array(begun.assessments(0)["created_at"]) > last[begun.who(0)]).all()

    def test_of_fewer_people_is_part_of_that_of_more(self) -> None:
        for size in (1, 5, 40):
            few, many = (Begun(Block(1, 0, one)).assessments(1) for one in (size, 200))
            assert plain(few) == {name: values[: len(few["id"])] for name, values in plain(many).items()}


def first(answers: Answers, count: int) -> Answers:
    parts: list[Sequence[Any]] = [answers.items, answers.b, answers.c, answers.right]
    return Answers(answers.assessment_id, *(list(part[:count]) for part in parts))


class TestNormal:
    def test_is_near_a_standard_normal(self) -> None:
        bits: Integers = np.random.PCG64(1).random_raw(100_000)
        numbers = normal(bits)

        assert numbers.mean() == pytest.approx(0, abs=0.02)
        assert numbers.std() == pytest.approx(1, abs=0.02)
        assert np.abs(numbers).max() < 3.5
