import re
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import msgspec
import numpy as np
import pytest

from accounts.services import normalize_email
from assessments.occupations import OCCUPATIONS
from assessments.population import BLOCK, MOST_SCORES, MOST_USERS, Block, Columns
from assessments.scoring import COMPONENTS


def plain(columns: Columns) -> dict[str, list[object]]:
    return {
        name: [bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value) for value in values]
        for name, values in columns.items()
    }


def whole(block: Block, turns: int = 2) -> list[dict[str, list[object]]]:
    parts = [block.users(), *map(block.assessments, range(3))]
    return [plain(part) for part in [*parts, *(block.scores(turn).columns() for turn in range(turns))]]


class TestBlock:
    def test_is_the_same_each_time_to_the_last_bit(self) -> None:
        assert whole(Block(7, 3, 50)) == whole(Block(7, 3, 50))

    def test_is_the_same_on_every_machine_and_day(self) -> None:
        """A change here means that what people seeded cannot be resumed: change it on purpose or not at all."""
        digest = blake2b(msgspec.json.encode(whole(Block(1, 0, 20))), digest_size=8).hexdigest()

        assert digest == "f513142ace337fbd"

    def test_of_fewer_people_is_the_beginning_of_one_of_more(self) -> None:
        few, many = Block(1, 0, 10), Block(1, 0, 200)

        assert plain(few.users()) == {name: values[:10] for name, values in plain(many.users()).items()}
        few_scores, many_scores = (plain(block.scores(1).columns()) for block in (few, many))
        assert few_scores == {name: values[:10] for name, values in many_scores.items()}
        assert set(few.assessments(0)["id"]) < set(many.assessments(0)["id"])

    def test_of_another_seed_or_number_shares_no_id_and_no_address(self) -> None:
        blocks = [Block(seed, number, 100) for seed in (1, 2) for number in (0, 1)]

        assert len({id_ for block in blocks for id_ in block.user_ids}) == 400
        assert len({email for block in blocks for email in block.emails}) == 400
        assert len({id_ for block in blocks for turn in (0, 1) for id_ in block.scores(turn).ids}) == 800

    def test_its_ids_are_uuids_of_version_7_that_sort_by_time(self) -> None:
        block = Block(1, 0, 500)

        assert {UUID(id_).version for id_ in block.user_ids} == {7}
        assert {UUID(id_).variant for id_ in block.user_ids} == {"specified in RFC 4122"}
        assert block.user_ids == sorted(block.user_ids)
        for id_, moment in zip(block.user_ids, block.users()["created_at"], strict=True):
            assert UUID(id_).int >> 80 == moment.astype("datetime64[ms]").astype(int)

    def test_its_addresses_are_plain_and_in_the_form_that_accounts_keep(self) -> None:
        emails = Block(1, 0).emails

        assert all(re.fullmatch(r"[a-z]+\.[a-z]+\.\d+\.seed1@example\.com", email) for email in emails)
        assert emails == [normalize_email(email) for email in emails]

    def test_the_first_and_the_last_of_all_people_lie_in_the_past_and_in_order(self) -> None:
        first, last = Block(1, 0, 1), Block(1, MOST_USERS // BLOCK - 1)
        times = last.scores(MOST_SCORES - 1).columns()["created_at"]

        assert first.user_ids[0] < last.user_ids[0]
        assert max(times) < np.datetime64(datetime(2025, 6, 1))  # noqa: DTZ001 - numpy's moments have no zone
        assert datetime.now(UTC) > datetime(2025, 6, 1, tzinfo=UTC)

    def test_its_people_fit_the_columns_and_the_occupations(self) -> None:
        users = Block(1, 0).users()

        assert set(users["occupation_code"]) == set(OCCUPATIONS)
        assert len(set(users["name"])) > 500
        assert max(map(len, users["email"])) <= 255
        assert min(users["years_experience"]) == 0
        assert max(users["years_experience"]) == 40

    def test_its_assessments_cover_each_component_for_some_in_both_states(self) -> None:
        parts = list(map(Block(1, 0).assessments, range(3)))

        assert [set(part["component"]) for part in parts] == [{name} for name in COMPONENTS]
        assert all(part["user_id"] == parts[0]["user_id"] for part in parts)
        assert all(set(part["status"]) == {"completed", "in_progress"} for part in parts)
        assert 0.25 < len(parts[0]["id"]) / BLOCK < 0.35

    def test_its_abilities_are_near_the_scale_of_a_standard_normal(self) -> None:
        ability = Block(1, 0).ability

        assert ability.mean(axis=1) == pytest.approx([0, 0, 0], abs=0.1)
        assert ability.std(axis=1) == pytest.approx([1, 1, 1], abs=0.1)
        assert np.corrcoef(ability)[0, 1] == pytest.approx(0.5, abs=0.1)
