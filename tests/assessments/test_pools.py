"""The pool of a component holds its items, in the bank's order, under the numbers that selection uses."""

import numpy as np
import pytest

from assessments.bank import bank
from assessments.pools import pool_of
from assessments.scoring import COMPONENTS, Answers
from assessments.selection import MOST_ITEMS, Draws, draws, is_finished


@pytest.mark.parametrize("component", COMPONENTS)
class TestPoolOf:
    def test_holds_the_items_of_its_component_in_their_order(self, component: str) -> None:
        one = pool_of(component)

        assert one.ids == [item.id for item in bank().items_of(component)]
        assert [one.items[item_id].id for item_id in one.ids] == one.ids
        assert one.numbers == {item_id: number for number, item_id in enumerate(one.ids)}

    def test_gives_selection_their_levels_guessing_and_subdomains(self, component: str) -> None:
        one = pool_of(component)
        subdomains = [subdomain.name for subdomain in bank().component(component).subdomains]

        assert one.pool.b.tolist() == [item.level for item in one.items.values()]
        assert one.pool.c.tolist() == [item.GUESSING for item in one.items.values()]
        assert [subdomains[number] for number in one.pool.subdomain] == [
            bank().subdomain_of[item_id].name for item_id in one.ids
        ]

    def test_names_the_items_that_selection_numbers(self, component: str) -> None:
        one, administered = pool_of(component), pool_of(component).ids[::7]
        pick = one.pool.next_item({one.numbers[item_id] for item_id in administered}, 0.3, Draws(0.4, 0.7))

        item_id, candidates = one.next_item(administered, 0.3, Draws(0.4, 0.7))

        assert item_id == one.ids[pick.item]
        assert candidates == [one.ids[number] for number in pick.candidates]
        assert not set(candidates) & set(administered)

    def test_there_is_no_next_item_when_all_were_administered(self, component: str) -> None:
        with pytest.raises(LookupError):
            pool_of(component).next_item(pool_of(component).ids, 0, Draws(0, 0))

    @pytest.mark.parametrize("chance_of_right", [0.1, 0.5, 0.9])
    def test_no_path_through_it_leads_to_an_answer_that_cannot_be_scored(
        self, component: str, chance_of_right: float
    ) -> None:
        """`estimate` refuses a posterior that is wider than the prior: answers at random do not bring one about."""
        one, random = pool_of(component), np.random.default_rng(9)
        for sitting in range(40):
            asked, right, theta = list[str](), list[bool](), 0.0
            for position in range(1, MOST_ITEMS + 1):
                asked.append(one.next_item(asked, theta, draws(str(sitting), component, position))[0])
                right.append(bool(random.random() < chance_of_right))
                items = [one.items[item_id] for item_id in asked]
                answers = Answers("", asked, [item.level for item in items], [item.GUESSING for item in items], right)
                theta, sd = answers.ability().theta, answers.ability().sd
                if is_finished(position, sd):
                    break

            assert len(set(asked)) == len(asked)
            assert is_finished(len(asked), sd)


class TestUnknown:
    @pytest.mark.parametrize(
        ("component", "version"), [("patience", "1"), ("fluency", "0"), ("fluency", "../data/bank-1")]
    )
    def test_component_or_version_is_a_key_error(self, component: str, version: str) -> None:
        with pytest.raises(KeyError):
            pool_of(component, version)
