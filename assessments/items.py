"""An item decides by itself what can be an answer to it, which one is right, and what makes it a bad item."""

import math
import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, TypeAlias

import msgspec

LETTERS = "abcdefgh"
BLANK = re.compile(r"^\s|\s$|\s\s", re.ASCII)

Answer: TypeAlias = str | list[str] | float  # a letter; letters; a number
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """One question. `level` is its difficulty as its authors declare it, on the scale of θ.

    Each kind has `is_right`, which marks an answer, and `accepts`: whether something can be one, right or wrong.
    """

    GUESSING: ClassVar[float]  # c of the 3PL model: the chance of who knows nothing

    id: Text
    level: Annotated[int, msgspec.Meta(ge=-2, le=2)]
    stem: Text
    exhibit: str = ""  # shown as it stands, in a fixed-width face
    rationale: Text

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
