"""A released bank is never changed: its hash is written down beside it, and another content is refused.

What an item asks and how it is keyed stays on the server. Keys and texts are data (TOML); what makes a bad item that
a program can see is refused when the bank is loaded, with the file and the item named, all of it at once.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from assessments.items import Answer, AnyItem, Choice, Item, Multiple, Numeric, Ordering, Text

# The kinds of items come from here too.
__all__ = ["Answer", "AnyItem", "Choice", "Item", "Multiple", "Numeric", "Ordering"]

BANKS = Path(__file__).parent / "data"
CURRENT = "1"  # the version that new sittings take
LEAST_ITEMS, SUBDOMAINS = 28, 4  # of a component
LEAST_OPEN = 1 / 3  # of a component's items: not to be guessed by choosing one of four

Decoded = TypeVar("Decoded", bound=msgspec.Struct)


class BankError(Exception):
    """The item bank cannot be used. Mend its files, or release what was changed as a new version."""

    def __init__(self, version: str, problems: Sequence[str]) -> None:
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"Item bank {version} cannot be used:\n{listed}")


class Practice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to practise after missed questions: easy ones (level −2 and −1), middle ones (0), hard ones (1 and 2)."""

    easy: Text
    middle: Text
    hard: Text


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of one subdomain."""

    practise: Practice
    items: list[AnyItem]


class Subdomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    code: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]  # what the ids of its items begin with
    title: Text
    about: Text


class Component(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    title: Text
    about: Text
    subdomains: list[Subdomain]


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file `bank.toml`."""

    components: list[Component]


class Bank(msgspec.Struct, frozen=True, dict=True):
    """All that a sitting needs; items by component and subdomain in the order of their files."""

    version: str
    sha256: str  # of its content, not of its files' line ends
    components: list[Component]
    sheets: dict[str, Sheet]  # by subdomain

    @cached_property
    def items(self) -> dict[str, AnyItem]:
        return {item.id: item for item in chain.from_iterable(sheet.items for sheet in self.sheets.values())}

    @cached_property
    def subdomain_of(self) -> dict[str, Subdomain]:
        """By item id."""
        found = {subdomain.name: subdomain for component in self.components for subdomain in component.subdomains}
        return {item.id: found[name] for name, sheet in self.sheets.items() for item in sheet.items}

    def component(self, name: str) -> Component:
        """Raises KeyError."""
        return {one.name: one for one in self.components}[name]

    def items_of(self, component: str) -> list[AnyItem]:
        """All items of a component. Raises KeyError."""
        return [item for one in self.component(component).subdomains for item in self.sheets[one.name].items]


@cache
def bank(version: str = CURRENT) -> Bank:
    """A released bank. Raises BankError, and KeyError for a version that there is not."""
    folder = BANKS / f"bank-{version}"
    if not re.fullmatch(r"[0-9]+", version) or not folder.is_dir():
        raise KeyError(f"there is no item bank {version!r}")
    loaded, seal = read(folder), folder / "sha256"
    released = seal.read_text(encoding="ascii").strip() if seal.is_file() else "nothing"
    if loaded.sha256 != released:
        told = f"it was released as {released}, and is {loaded.sha256} now: release what was changed as a new version"
        raise BankError(version, [told])
    return loaded


def read(folder: Path) -> Bank:
    """The bank in a folder `bank-<version>`, released or not. Raises BankError."""
    version, problems = folder.name.removeprefix("bank-"), list[str]()
    contents = _decode(folder / "bank.toml", Contents, problems)
    sheets = dict[str, Sheet]()
    for component in contents.components if contents else ():
        for subdomain in component.subdomains:
            sheet = _decode(folder / component.name / f"{subdomain.name}.toml", Sheet, problems)
            if sheet:
                sheets[subdomain.name] = sheet
                problems += _of_sheet(f"{component.name}/{subdomain.name}.toml", subdomain, sheet)
    problems += _of_bank(contents.components, sheets) if contents else ()
    if contents is None or problems:
        raise BankError(version, problems)
    canonical = msgspec.json.encode([contents, sheets], order="deterministic")
    return Bank(version, hashlib.sha256(canonical).hexdigest(), contents.components, sheets)


def _decode(path: Path, kind: type[Decoded], problems: list[str]) -> Decoded | None:
    name = "/".join(path.parts[-2:])
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        problems.append(f"{name} is missing")
    except msgspec.ValidationError as error:
        problems += [f"{name}: {fault}" for fault in [*_faults(path.read_bytes(), str(error))] or [str(error)]]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problems.append(f"{name}: {error}")
    return None


def _faults(octets: bytes, first: str) -> Iterator[str]:
    """What is wrong with a file that is not of its kind: the first fault, and in a sheet the first of each item."""
    items = msgspec.toml.decode(octets).get("items")
    if "$.items[" not in first:
        yield first
    for item in items if isinstance(items, list) else ():
        try:
            msgspec.convert(item, AnyItem)
        except msgspec.ValidationError as error:
            yield f"{item.get('id') if isinstance(item, dict) else item}: {error}"


def _of_sheet(name: str, subdomain: Subdomain, sheet: Sheet) -> Iterator[str]:
    for number, item in enumerate(sheet.items, start=1):
        if item.id != f"{subdomain.code}-{number:02}":
            yield f"{name}: item {number} is called {item.id}, not {subdomain.code}-{number:02}"
        yield from (f"{name}: {item.id}: {problem}" for problem in item.problems())
    stems = Counter(item.stem.casefold() + item.exhibit for item in sheet.items)
    yield from (f"{name}: two items ask {stem[:60]!r}" for stem, count in stems.items() if count > 1)


def _of_bank(components: list[Component], sheets: dict[str, Sheet]) -> Iterator[str]:
    names = Counter(one.name for component in components for one in component.subdomains)
    codes = Counter(one.code for component in components for one in component.subdomains)
    yield from (f"{name} stands twice" for name, count in (names + codes).items() if count > 1)
    for component in components:
        if len(component.subdomains) != SUBDOMAINS:
            yield f"{component.name} has {len(component.subdomains)} subdomains, not {SUBDOMAINS}"
        if not all(one.name in sheets for one in component.subdomains):
            continue  # what is wrong with its files has been said
        items = [item for one in component.subdomains for item in sheets[one.name].items]
        if len(items) < LEAST_ITEMS:
            yield f"{component.name} has {len(items)} items, and needs {LEAST_ITEMS}"
        if sum(not isinstance(item, Choice) for item in items) < LEAST_OPEN * len(items):
            yield f"more than two thirds of the items of {component.name} can be guessed by choosing one of four"
