"""A word has one meaning and one address."""

import msgspec


class Word(msgspec.Struct, frozen=True):
    """`slug` is its anchor; `section` where it is at work, 0 where it is everywhere; `also` what others call it."""

    slug: str
    name: str
    text: str
    section: int
    also: str = ""
