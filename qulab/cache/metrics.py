"""What is shown as a hit ratio or a mean time was counted and measured in this process, since the last reset."""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How one read was answered."""

    HIT = "hit"
    NEGATIVE_HIT = "negative hit"  # the cache knew that there is no such row
    MISS = "miss"  # this read loaded from the database
    COALESCED = "coalesced"  # another read's load answered this one too
    BYPASS = "bypass"  # Redis was away: straight to the database


class CacheMetrics(msgspec.Struct):
    """Counts and summed times (seconds). H is None before the first request."""

    outcomes: dict[Outcome, int] = msgspec.field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    cache_seconds_sum: float = 0.0
    cache_reads: int = 0
    load_seconds_sum: float = 0.0
    loads: int = 0
    seconds_sum: float = 0.0
    refused_fills: int = 0
    errors: int = 0

    @property
    def requests(self) -> int:
        return sum(self.outcomes.values())

    @property
    def hits(self) -> int:
        return self.outcomes[Outcome.HIT] + self.outcomes[Outcome.NEGATIVE_HIT]

    @property
    def misses(self) -> int:
        return self.requests - self.hits

    @property
    def hit_ratio(self) -> float | None:
        return self.hits / self.requests if self.requests else None

    @property
    def cache_seconds(self) -> float | None:
        """Mean time of one look into the cache, T_cache."""
        return self.cache_seconds_sum / self.cache_reads if self.cache_reads else None

    @property
    def load_seconds(self) -> float | None:
        """Mean time of one load from the database, T_database."""
        return self.load_seconds_sum / self.loads if self.loads else None

    @property
    def mean_seconds(self) -> float | None:
        """Mean time of a read, measured from end to end: it includes the fill, which the formula leaves out."""
        return self.seconds_sum / self.requests if self.requests else None

    def count(self, outcome: Outcome, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.seconds_sum += seconds

    def looked(self, seconds: float) -> None:
        self.cache_reads += 1
        self.cache_seconds_sum += seconds

    def loaded(self, seconds: float) -> None:
        self.loads += 1
        self.load_seconds_sum += seconds

    def reset(self) -> None:
        fresh = CacheMetrics()
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))
