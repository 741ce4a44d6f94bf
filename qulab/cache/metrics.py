"""What is shown as a hit ratio or a mean time was counted and measured in this process, since the last reset."""

from copy import deepcopy
from enum import StrEnum

import msgspec

from qulab.cache.histogram import Histogram


class Outcome(StrEnum):
    """How one read was answered."""

    HIT = "hit"
    STALE_HIT = "stale hit"  # past its TTL, within the grace: another value is being loaded
    NEGATIVE_HIT = "negative hit"  # the cache knew that there is no such row
    MISS = "miss"  # this read loaded from the database
    COALESCED = "coalesced"  # another read's load answered this one too
    BYPASS = "bypass"  # Redis was away: straight to the database


HITS = frozenset({Outcome.HIT, Outcome.STALE_HIT, Outcome.NEGATIVE_HIT})


class CacheMetrics(msgspec.Struct):
    """Counts, and times in seconds. H is None before the first request.

    `looks`: one look into Redis; `loads`: one load from the database; `fills`: taking the lease and storing what was
    loaded; `reads`: a whole read, from end to end.
    """

    outcomes: dict[Outcome, int] = msgspec.field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    looks: Histogram = msgspec.field(default_factory=Histogram)
    loads: Histogram = msgspec.field(default_factory=Histogram)
    fills: Histogram = msgspec.field(default_factory=Histogram)
    reads: Histogram = msgspec.field(default_factory=Histogram)
    refreshes: int = 0
    refused_fills: int = 0
    errors: int = 0

    @property
    def requests(self) -> int:
        return self.reads.count

    @property
    def hits(self) -> int:
        return sum(self.outcomes[outcome] for outcome in HITS)

    @property
    def misses(self) -> int:
        return self.requests - self.hits

    @property
    def hit_ratio(self) -> float | None:
        return self.hits / self.requests if self.requests else None

    def count(self, outcome: Outcome, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.reads.observe(seconds)

    def copy(self) -> "CacheMetrics":
        return deepcopy(self)

    def reset(self) -> None:
        fresh = CacheMetrics()
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))
