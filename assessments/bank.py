"""A released bank is never changed: its hash is written down beside it, and another content is refused.

What an item asks and how it is keyed stays on the server. Keys and texts are data (TOML); what makes a bad item that
a program can see is refused when the bank is loaded, with the file and the item named, all of it at once.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias, TypeVar

import msgspec

BANKS = Path(__file__).parent / "data"
CURRENT = "1"  # the version that new sittings take
LETTERS = "abcdefgh"
LEAST_ITEMS, SUBDOMAINS = 28, 4  # of a component
LEAST_OPEN = 1 / 3  # of a component's items: not to be guessed by choosing one of four
BLANK = re.compile(r"^\s|\s$|\s\s", re.ASCII)

Answer: TypeAlias = str | list[str] | float  # a letter; letters; a number
Text = Annotated[str, msgspec.Meta(min_length=1)]
Decoded = TypeVar("Decoded", bound=msgspec.Struct)


class BankError(Exception):
    """The item bank cannot be used. Mend its files, or release what was changed as a new version."""

    def __init__(self, version: str, problems: Sequence[str]) -> None:
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"Item bank {version} cannot be used:\n{listed}")


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """One question. `level` is its difficulty as its authors declare it, on the scale of θ."""

    GUESSING: ClassVar[float]  # c of the 3PL model: the chance of who knows nothing

    id: Text
    level: Annotated[int, msgspec.Meta(ge=-2, le=2)]
    stem: Text
    exhibit: str = ""  # shown as it stands, in a fixed-width face
    rationale: Text

    def is_right(self, answer: Answer) -> bool:
        raise NotImplementedError

    def accepts(self, answer: Answer) -> bool:
        """Whether this can be an answer, right or wrong."""
        raise NotImplementedError

    def normal(self, answer: Answer) -> Answer:
        """An answer as it is stored: two that mean the same are the same."""
        return answer

    def problems(self) -> Iterator[str]:
        for name in ("stem", "rationale"):
            if BLANK.search(getattr(self, name).replace("\n", " ")):
                yield f"its {name} has blanks at an end or in a row"
        if not self.stem.rstrip().endswith(("?", ".", ":")):
            yield "its stem does not end like a sentence"


class Optioned(Item, frozen=True, kw_only=True):
    options: dict[str, Text]

    LEAST: ClassVar[int]
    MOST: ClassVar[int]

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not self.LEAST <= len(self.options) <= self.MOST:
            yield f"it has {len(self.options)} options, not {self.LEAST} to {self.MOST}"
        if list(self.options) != list(LETTERS[: len(self.options)]):
            yield f"its options are lettered {', '.join(self.options)}, not from a on"
        if len({text.casefold().strip() for text in self.options.values()}) < len(self.options):
            yield "two of its options are the same"
        if any(BLANK.search(text) for text in self.options.values()):
            yield "an option has blanks at an end or in a row"


class Choice(Optioned, frozen=True, kw_only=True, tag="choice"):
    """One of four is right."""

    GUESSING = 0.25
    LEAST = MOST = 4
    key: str

    def is_right(self, answer: Answer) -> bool:
        return answer == self.key

    def accepts(self, answer: Answer) -> bool:
        return isinstance(answer, str) and answer in self.options

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.key not in self.options:
            yield f"its key {self.key!r} is not one of its options"


class Multiple(Optioned, frozen=True, kw_only=True, tag="multiple"):
    """All that are right, and no other, must be chosen."""

    GUESSING = 0.05
    LEAST, MOST = 5, 6
    key: list[str]

    def is_right(self, answer: Answer) -> bool:
        return isinstance(answer, list) and sorted(answer) == sorted(self.key)

    def accepts(self, answer: Answer) -> bool:
        return isinstance(answer, list) and bool(answer) and set(answer) <= set(self.options)

    def normal(self, answer: Answer) -> Answer:
        return sorted(set(answer)) if isinstance(answer, list) else answer

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not set(self.key) <= set(self.options) or len(set(self.key)) < len(self.key):
            yield f"its key {self.key} is not a set of its options"
        if not 2 <= len(self.key) < len(self.options):
            yield "at least two of its options must be right, and at least one must not"


class Ordering(Optioned, frozen=True, kw_only=True, tag="ordering"):
    """All options, put in the right order."""

    GUESSING = 0.02
    LEAST, MOST = 4, 5
    key: list[str]

    def is_right(self, answer: Answer) -> bool:
        return answer == self.key

    def accepts(self, answer: Answer) -> bool:
        return isinstance(answer, list) and sorted(answer) == sorted(self.options)

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if sorted(self.key) != sorted(self.options):
            yield f"its key {self.key} is not an order of its options"
        if self.key == sorted(self.key):
            yield "its options stand in the right order already"


class Numeric(Item, frozen=True, kw_only=True, tag="numeric"):
    """A number, right within `tolerance` of the key, ends included."""

    GUESSING = 0.02
    key: float
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    unit: str = ""  # shown beside the field

    def is_right(self, answer: Answer) -> bool:
        # The slack is for numbers that binary fractions only come near: 0.3 is within 0.1 of 0.2.
        return isinstance(answer, float) and abs(answer - self.key) <= self.tolerance + 1e-9 * max(1.0, abs(self.key))

    def accepts(self, answer: Answer) -> bool:
        return isinstance(answer, float) and math.isfinite(answer)

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if not (math.isfinite(self.key) and math.isfinite(self.tolerance)):
            yield "its key or its tolerance is not a number"


AnyItem: TypeAlias = Choice | Multiple | Ordering | Numeric


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
