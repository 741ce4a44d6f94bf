"""Every figure for an occupation comes from the table beside this file, which names its sources and years.

A search finds titles by their words, whole, begun or mistyped, codes by how they begin, and what is called otherwise
every day by EVERYDAY. What it does not find it does not guess at.
"""

import csv
import re
from difflib import SequenceMatcher
from itertools import takewhile
from pathlib import Path
from unicodedata import normalize

import msgspec

MOST_NEAR, MOST_FOUND, MOST_WORDS = 5, 10, 8
CODE_DIGITS = 6
# A whole code somewhere, or one that is begun and nothing else: "15 years" is none.
CODE = re.compile(r"\d\d[-–.\s]?\d{4}|^\s*\d\d[-–.\s]?\d{0,3}\s*$", re.ASCII)
SMALL_WORDS = {"a", "all", "an", "and", "except", "for", "in", "of", "on", "or", "other", "the", "to", "with"}

# What people call their work, as `words` has it, where no title says so. Whose work is not in the table is not here.
EVERYDAY = {
    "attorney": ["23-1011"],
    "barrister": ["23-1011"],
    "builder": ["47-2061"],
    "coder": ["15-1252", "15-1251", "15-1254"],
    "cop": ["33-3051"],
    "copywriter": ["27-3043"],
    "dba": ["15-1242"],
    "developer": ["15-1252", "15-1254"],
    "doctor": ["29-1215"],
    "estate agent": ["41-9022"],
    "gp": ["29-1215"],
    "help desk": ["15-1232"],
    "hr": ["13-1071", "11-3121"],
    "joiner": ["47-2031"],
    "journalist": ["27-3023"],
    "physiotherapist": ["29-1123"],
    "programmer": ["15-1251", "15-1252"],
    "qa": ["15-1253"],
    "realtor": ["41-9022"],
    "recruiter": ["13-1071"],
    "salesman": ["41-2031"],
    "saleswoman": ["41-2031"],
    "shop assistant": ["41-2031"],
    "software engineer": ["15-1252"],
    "solicitor": ["23-1011"],
    "sysadmin": ["15-1244"],
    "trucker": ["53-3032"],
    "ux": ["15-1255"],
}

TABLE = Path(__file__).parent / "data" / "occupations.csv"
SOURCES = {  # as the table names them
    "growth_and_wage": "US Bureau of Labor Statistics, Employment Projections 2022–32, table 1.7 (wages of 2022)",
    "exposure": "Eloundou et al., 2023, GPTs are GPTs: mean human-rated β of the occupation's O*NET-SOC codes",
}


class HRWeights(msgspec.Struct, frozen=True):
    """Of the percentiles in H^R."""

    growth: float = 0.5
    wage: float = 0.3
    exposure: float = 0.2


HR_WEIGHTS = HRWeights()


class Occupation(msgspec.Struct, frozen=True):
    """Figures of one SOC code. Percentiles are 0–100 among the detailed occupations that have all three figures."""

    code: str
    title: str
    growth_percent: float
    wage_usd: int
    exposure: float
    growth_percentile: float
    wage_percentile: float
    exposure_percentile: float

    @property
    def hr_score(self) -> float:
        """H^R, 0–100: .5·growth + .3·wage + .2·exposure, of the percentiles."""
        return self.hr_by(HR_WEIGHTS)

    def hr_by(self, weights: HRWeights) -> float:
        return (
            weights.growth * self.growth_percentile
            + weights.wage * self.wage_percentile
            + weights.exposure * self.exposure_percentile
        )


class UnknownOccupation(Exception):
    """There are no figures for this occupation code. Choose one of the codes that are near it."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.near = _near(code)
        names = ", ".join(f"{occupation.code} {occupation.title}" for occupation in self.near)
        advice = f"Near it: {names}." if names else "Choose one by its title, or by a SOC code such as 15-1252."
        super().__init__(f"There are no figures for the occupation {code!r}. {advice}")


def find(code: str) -> Occupation:
    """The occupation of a SOC code such as 15-1252. Raises UnknownOccupation, which names near matches."""
    try:
        return OCCUPATIONS[code.strip()]
    except KeyError:
        raise UnknownOccupation(code) from None


def search(text: str, limit: int = MOST_FOUND) -> list[Occupation]:
    """Occupations of a code that begins like one in the text, then those that are called so every day, then of
    titles with its words; the best first.

    Where no title has all of the words, those that have most of them.
    """
    digits = _digits(text)
    by_code = [one for one in _by_code(digits) if _shared(digits, one) >= min(len(digits), CODE_DIGITS - 1)]
    asked = words(text)
    called_so = EVERYDAY.get(" ".join(asked), [])
    found = dict.fromkeys([*(one.code for one in by_code), *called_so, *(one.code for one in _by_title(asked))])
    return [OCCUPATIONS[code] for code in list(found)[:limit]]


def words(text: str) -> list[str]:
    """The words of a title or a search that tell something, in small letters, and in the singular."""
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    found = [word for word in re.findall(r"[a-z]+", plain) if len(word) > 1 and word not in SMALL_WORDS]
    return [_singular(word) for word in found]


def _near(text: str) -> list[Occupation]:
    """At most five: for a code those next to it, else what a search finds."""
    return _by_code(_digits(text))[:MOST_NEAR] or search(text, MOST_NEAR)


def _digits(text: str) -> str:
    """Those of the first SOC code in a text; "" where there is none."""
    found = CODE.search(text)
    return re.sub(r"\D", "", found.group()) if found else ""


def _by_code(digits: str) -> list[Occupation]:
    """All of them, those first whose code begins like this one, and stands next to it; none for no code."""

    def distance(one: Occupation) -> tuple[int, int]:
        apart = abs(int(_digits(one.code)) - int(digits.ljust(CODE_DIGITS, "0")))
        return -_shared(digits, one), apart

    return sorted(OCCUPATIONS.values(), key=distance) if digits else []


def _shared(digits: str, occupation: Occupation) -> int:
    """How many digits two codes begin with alike."""
    return _begin_alike(digits, _digits(occupation.code))


def _by_title(asked: list[str]) -> list[Occupation]:
    """Those that have the words, or most of them, like the words that were asked for."""
    ranked = []
    for occupation in OCCUPATIONS.values():
        title = TITLE_WORDS[occupation.code]
        alike = [max(_likeness(word, one) for one in title) for word in asked[:MOST_WORDS]]
        ranked.append((sum(map(bool, alike)), sum(alike), -len(title), occupation))
    most = max((has for has, *_ in ranked), default=0)
    ranked = [one for one in ranked if one[0] == most > 0]
    return [occupation for *_, occupation in sorted(ranked, key=lambda one: one[1:3], reverse=True)]


def _likeness(word: str, other: str) -> float:
    """Of a word that was asked for to one of a title: 1 for the same, 0 for another."""
    if word == other:
        return 1.0
    if other.startswith(word):  # it is begun
        return 0.9
    shared = _begin_alike(word, other)
    if shared >= 4 and shared / max(len(word), len(other)) > 0.55:  # nursing, nurse
        return 0.7
    if word[0] != other[0] or abs(len(word) - len(other)) > 2:  # to compare them takes a while
        return 0.0
    return 0.6 if SequenceMatcher(None, word, other).ratio() >= 0.8 else 0.0  # mistyped


def _begin_alike(one: str, other: str) -> int:
    """How many signs two texts have in common before they differ."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _load(table: Path) -> dict[str, Occupation]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        occupations = (msgspec.convert(row, Occupation, strict=False) for row in rows)
        return {occupation.code: occupation for occupation in occupations}


OCCUPATIONS = _load(TABLE)
TITLE_WORDS = {code: words(one.title) for code, one in OCCUPATIONS.items()}
