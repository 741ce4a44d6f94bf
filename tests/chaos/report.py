"""A run is clean only if nothing was found, nobody ended by himself, and every fault of the schedule happened."""

from collections.abc import Iterator

import msgspec

from tests.chaos.compare import Finding


class Report(msgspec.Struct):
    """What a run did and found. `violations` names every check, also those that found nothing.

    `repeats_avoided` and `published_again` are events: those whose
    relay died after Redis had them, and those that Redis had lost. `overtaken`: passes that came too late, which is no
    violation on SQLite.
    """

    seed: int
    database: str
    versions: dict[str, str]
    relays: int
    producers: int
    consumers: int
    written: int
    poison: int
    entries: int
    kills: int
    faults: dict[str, int]
    violations: dict[str, Finding]
    crashes: list[str]
    stuck: str | None
    repeats_avoided: int
    published_again: int
    overtaken: int
    seconds: float
    events_per_second: float

    @property
    def is_clean(self) -> bool:
        return not (self.crashes or self.stuck or any(finding.count for finding in self.violations.values()))

    @property
    def verdict(self) -> str:
        """One line."""
        found = [f"{finding.count} {told(name)}" for name, finding in self.violations.items() if finding.count]
        found += [f"{len(self.crashes)} processes ended by themselves"] if self.crashes else []
        found += [self.stuck] if self.stuck else []
        return "; ".join(found) if found else "nothing lost, doubled or inverted"


def told(name: str) -> str:
    return name.replace("_", " ")


def lines(report: Report) -> Iterator[str]:
    """For people."""
    yield f"{' and '.join(report.versions.values())}; seed {report.seed}"
    yield f"{report.relays} relays, {report.producers} producers, {report.consumers} consumers"
    yield (
        f"{report.written:,} events written, {report.poison} of them poison; {report.entries:,} entries; "
        f"{report.seconds:.0f} s, {report.events_per_second:,.0f} events a second"
    )
    yield (
        f"{report.repeats_avoided:,} repeats avoided, {report.published_again:,} published again after a loss, "
        f"{report.overtaken:,} passes overtaken"
    )
    yield ""
    yield f"{sum(report.faults.values())} faults of {report.kills}"
    yield from _table(report.faults)
    yield ""
    yield "found"
    yield from _table({told(name): finding.count for name, finding in report.violations.items()})
    for name, finding in report.violations.items():
        if finding.first:
            yield f"  {told(name)}: {', '.join(finding.first)}{' …' if finding.count > len(finding.first) else ''}"
    yield from report.crashes
    yield ""
    yield f"{'Clean' if report.is_clean else 'NOT CLEAN'}: {report.verdict}."


def _table(numbers: dict[str, int]) -> Iterator[str]:
    width = max(map(len, numbers), default=0)
    for name, number in numbers.items():
        yield f"  {name:<{width}}  {number:>7,}"
