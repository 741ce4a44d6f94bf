"""Every figure for an occupation comes from the table beside this file, which names its sources and years."""

import csv
import re
from difflib import get_close_matches
from pathlib import Path

import msgspec

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
        super().__init__(f"There are no figures for the occupation {code!r}. Near it: {names}.")


def find(code: str) -> Occupation:
    """The occupation of a SOC code such as 15-1252. Raises UnknownOccupation, which names near matches."""
    try:
        return OCCUPATIONS[code.strip()]
    except KeyError:
        raise UnknownOccupation(code) from None


def _near(text: str) -> list[Occupation]:
    """At most five: by a like code, then by a like title."""
    codes = get_close_matches(text.strip(), OCCUPATIONS, n=5, cutoff=0.6)
    words = set(re.findall(r"[a-z]{4,}", text.lower()))
    titles = [
        code for code, occupation in OCCUPATIONS.items() if any(word in occupation.title.lower() for word in words)
    ]
    found = list(dict.fromkeys(codes + titles)) or get_close_matches(text.strip(), OCCUPATIONS, n=5, cutoff=0.0)
    return [OCCUPATIONS[code] for code in found[:5]]


def _load(table: Path) -> dict[str, Occupation]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        occupations = (msgspec.convert(row, Occupation, strict=False) for row in rows)
        return {occupation.code: occupation for occupation in occupations}


OCCUPATIONS = _load(TABLE)
