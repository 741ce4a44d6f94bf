"""Times are counted in fixed buckets, so that histograms of many processes can be added up."""

from bisect import bisect_left

import msgspec

# Seconds; each bucket holds what took at most so long. 1-2-5 steps from 50 µs to 5 s, then all the rest.
BOUNDS = tuple(step * 10.0**power for power in range(-5, 1) for step in (1, 2, 5))[2:]


class Histogram(msgspec.Struct):
    """`counts` has one more than BOUNDS; `sum` is in seconds."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0
    count: int = 0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds
        self.count += 1

    @property
    def mean(self) -> float | None:
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The upper bound of the bucket in which the q-quantile is; infinity beyond the last bound, None when empty."""
        if not self.count:
            return None
        wanted, seen = q * self.count, 0
        for bound, count in zip((*BOUNDS, float("inf")), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return bound
        return float("inf")

    def since(self, before: "Histogram") -> "Histogram":
        """What was observed after `before` was copied."""
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        return Histogram(counts, self.sum - before.sum, self.count - before.count)

    def copy(self) -> "Histogram":
        return Histogram(list(self.counts), self.sum, self.count)
