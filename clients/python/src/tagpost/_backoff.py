"""How long to pause before the next attempt.

Full jitter: a random part of a time that doubles with every failure. After an upgrade of the service all devices come
back, but not at once.
"""

from __future__ import annotations

import random


class Backoff:
    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def next(self) -> float:
        """Seconds to pause now."""
        longest = min(self._longest, self._first * 2.0 ** min(self._failures, 64))
        self._failures += 1
        return random.random() * longest

    def reset(self) -> None:
        """It works again: the next pause is a first one."""
        self._failures = 0
