"""What can be found is read from where it stands, once in a process: an index kept beside it would fall behind."""

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache

import msgspec
from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from qulab.lab.benches import BENCHES
from qulab.lab.glossary import glossary
from qulab.lab.sections import Section, section, sections, the_test
from qulab.lab.sources import PACKAGES, is_shown

MOST = 30  # results on a page
HEADING = re.compile(
    r'(?P<section><section\b)|\bid="(?P<id>[\w-]+)"'
    r'|<h[2-4][^>]*>{% translate (?P<quote>["\'])(?P<text>.+?)(?P=quote) %}'
)
RESULT = "#result"  # what stands below is there only with a run
DOCSTRING = re.compile(r'\A"""(.+?)(?:"""|\n)')


class Kind(IntEnum):
    """In the order in which equally good results are shown."""

    SECTION = 1
    PAGE = 2
    EXPERIMENT = 3
    HEADING = 4
    WORD = 5
    FILE = 6


class Entry(msgspec.Struct, frozen=True):
    """Something that has an address. `where` is the section it is from; `also` another name that finds it."""

    kind: Kind
    title: str
    text: str
    address: str
    where: str = ""
    also: str = ""

    @property
    def kind_name(self) -> str:
        names = [_("Section"), _("Page"), _("Experiment"), _("Part of a page"), _("Word"), _("File")]
        return names[self.kind - 1]


class Found(msgspec.Struct, frozen=True):
    """`more`: how many beyond those that are shown."""

    entries: list[Entry]
    more: int


def search(text: str) -> Found:
    """The entries that have all words of the text, the best first. No words find nothing."""
    words = text.lower().split()
    if not words:
        return Found([], 0)
    rated = [(_rating(entry, words), entry) for entry in _entries(get_language() or "")]
    best = sorted((one for one in rated if one[0]), key=lambda one: (-one[0], one[1].kind))
    return Found([entry for _rate, entry in best[:MOST]], max(len(best) - MOST, 0))


def _rating(entry: Entry, words: list[str]) -> int:
    """0 unless every word is there; a title counts more than a text, and its beginning more than its middle."""
    title, text = entry.title.lower(), f"{entry.text} {entry.also}".lower()
    rates = [8 if title.startswith(word) else 4 if word in title else 1 if word in text else 0 for word in words]
    return sum(rates) if all(rates) else 0


@lru_cache(maxsize=8)
def _entries(_language: str) -> list[Entry]:
    return [*_sections(), *_experiments(), *_headings(), *_words(), *_files()]


def _sections() -> Iterator[Entry]:
    for one in _pages():
        kind = Kind.SECTION if one.number else Kind.PAGE
        yield Entry(kind, one.title, " ".join([one.promise, *one.objectives]), reverse(one.url_name))


def _pages() -> list[Section]:
    return [*sections(), the_test()]


def _experiments() -> Iterator[Entry]:
    for bench in BENCHES.values():
        one = section(bench.section)
        address = f"{reverse(one.url_name)}#{bench.anchor}"
        yield Entry(Kind.EXPERIMENT, str(bench.title), str(bench.text), address, one.title)


def _headings() -> Iterator[Entry]:
    """As the templates of the sections have them, each with the anchor that stands last before it."""
    for one in _pages():
        page, anchor = reverse(one.url_name), ""
        for found in HEADING.finditer(_template(one.url_name.removeprefix("lab:"))):
            if found["section"]:
                anchor = ""
            elif found["id"]:
                anchor = f"#{found['id']}"
            elif anchor != RESULT:
                yield Entry(Kind.HEADING, _(found["text"]), "", page + anchor, one.title)


def _template(name: str) -> str:
    source: str = get_template(f"lab/{name}.html").template.source  # type: ignore[attr-defined]
    return source


def _words() -> Iterator[Entry]:
    page = reverse("lab:glossary")
    for word in glossary():
        yield Entry(Kind.WORD, word.name, word.text, f"{page}#{word.slug}", also=word.also)


def _files() -> Iterator[Entry]:
    """The files of the source view, with the first line of what they say of themselves."""
    for package in sorted(PACKAGES):
        for file in sorted((settings.BASE_DIR / package).rglob("*.py")):
            path = file.relative_to(settings.BASE_DIR).as_posix()
            if is_shown(path) and file.stat().st_size:
                said = DOCSTRING.match(file.read_text(encoding="utf-8"))
                yield Entry(Kind.FILE, path, said[1] if said else "", reverse("lab:source", args=[path]))
