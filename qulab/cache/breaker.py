"""While a server is away, one caller in a while pays to find out; the others are told at once."""

import random
import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens at a failure, for a time that doubles up to `longest` seconds, jittered; then lets one call through."""

    def __init__(
        self, *, shortest: float = 0.2, longest: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shortest = shortest
        self._longest = longest
        self._clock = clock
        self._failures = 0
        self._closed_again_at = 0.0

    def allows(self) -> bool:
        """Whether to try. While open, one caller after each pause gets True, and the next pause begins."""
        if self._failures == 0:
            return True
        if self._clock() < self._closed_again_at:
            return False
        self._pause()
        return True

    @property
    def is_open(self) -> bool:
        return self._failures > 0

    def failed(self) -> None:
        self._failures += 1
        self._pause()

    def succeeded(self) -> None:
        self._failures = 0

    def _pause(self) -> None:
        pause = min(self._shortest * 2 ** min(self._failures - 1, 16), self._longest)
        self._closed_again_at = self._clock() + pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
