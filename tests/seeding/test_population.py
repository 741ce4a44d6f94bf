import re
from uuid import UUID

import numpy as np
import pytest

from accounts.services import normalize_email
from assessments.occupations import OCCUPATIONS
from assessments.population import BLOCK, CORRELATION, MOST_USERS, Block
from assessments.scoring import PARAMETERS

from .rows import digest, plain


class TestBlock:
    def test_is_the_same_each_time_to_the_last_bit(self) -> None:
        assert plain(Block(7, 3, 50).users()) == plain(Block(7, 3, 50).users())
        assert (Block(7, 3, 50).ability == Block(7, 3, 50).ability).all()

    def test_is_the_same_on_every_machine_and_day(self) -> None:
        """A change here means that what people seeded cannot be resumed: change it on purpose or not at all."""
        block = Block(1, 0, 20)

        assert digest([plain(block.users()), block.ability.tolist()]) == "219c0040c682953a"

    def test_of_fewer_people_is_the_beginning_of_one_of_more(self) -> None:
        few, many = Block(1, 0, 10), Block(1, 0, 200)

        assert plain(few.users()) == {name: values[:10] for name, values in plain(many.users()).items()}
        assert (few.ability == many.ability[:, :10]).all()

    def test_of_another_seed_or_number_shares_no_id_and_no_address(self) -> None:
        blocks = [Block(seed, number, 100) for seed in (1, 2) for number in (0, 1)]

        assert len({id_ for block in blocks for id_ in block.user_ids}) == 400
        assert len({email for block in blocks for email in block.emails}) == 400

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

    def test_the_first_and_the_last_of_all_people_are_in_order(self) -> None:
        first, last = Block(1, 0, 1), Block(1, MOST_USERS // BLOCK - 1)

        assert first.user_ids[0] < last.user_ids[0]

    def test_its_people_fit_the_columns_and_the_occupations(self) -> None:
        users = Block(1, 0).users()

        assert set(users["occupation_code"]) == set(OCCUPATIONS)
        assert len(set(users["name"])) > 500
        assert max(map(len, users["email"])) <= 255
        assert min(users["years_experience"]) == 0
        assert max(users["years_experience"]) == 40

    def test_its_abilities_are_what_the_prior_of_the_score_expects(self) -> None:
        ability = Block(1, 0).ability

        assert PARAMETERS.correlation == CORRELATION
        assert ability.mean(axis=1) == pytest.approx([0, 0, 0], abs=0.05)
        assert ability.std(axis=1) == pytest.approx([1, 1, 1], abs=0.05)
        assert np.corrcoef(ability)[np.triu_indices(3, 1)] == pytest.approx([CORRELATION] * 3, abs=0.05)
