"""What the test of a component draws from: the items of one version of the bank, with their numbers in the pool."""

from collections.abc import Iterable
from functools import cache

from assessments.bank import CURRENT, AnyItem, bank
from assessments.selection import Draws, Pool


class ItemPool:
    """The items of one component. Items are told by their ids here, and by their numbers in `pool`."""

    def __init__(self, items: dict[str, AnyItem], subdomains: list[str]) -> None:
        self.items = items
        self.ids = list(items)
        self.numbers = {item_id: number for number, item_id in enumerate(self.ids)}
        order = {name: number for number, name in enumerate(dict.fromkeys(subdomains))}
        self.pool = Pool(
            [float(item.level) for item in items.values()],
            [item.GUESSING for item in items.values()],
            [order[name] for name in subdomains],
        )

    def next_item(self, administered: Iterable[str], theta: float, draws: Draws) -> tuple[str, list[str]]:
        """The next item at an estimate, and the candidates it was drawn from. Raises LookupError when there is none."""
        pick = self.pool.next_item({self.numbers[item_id] for item_id in administered}, theta, draws)
        return self.ids[pick.item], [self.ids[number] for number in pick.candidates]


@cache
def pool_of(component: str, version: str = CURRENT) -> ItemPool:
    """Raises KeyError for a component or version that there is not."""
    released = bank(version)
    items = {item.id: item for item in released.items_of(component)}
    return ItemPool(items, [released.subdomain_of[item_id].name for item_id in items])
