"""Things on their way from the connection to the application.

A queue whose end is either silent or an error. Its size is its owner's matter. An item leaves the queue only as its
taker gets it: a taker that is cancelled loses none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ._errors import TagpostError

T = TypeVar("T")


class Queue(Generic[T]):
    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._is_ended = False
        self._error: TagpostError | None = None

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: T) -> None:
        if not self._is_ended:
            self._items.append(item)
            self._wake()

    def push_front(self, item: T) -> None:
        """Puts back what was taken, so that it is the next."""
        if not self._is_ended:
            self._items.appendleft(item)
            self._wake()

    def drop(self, holds: Callable[[T], bool]) -> None:
        """Drops the waiting items for which this holds."""
        self._items = deque(item for item in self._items if not holds(item))

    async def take(self) -> T | None:
        """The next item; waits for it. `None` once the queue has ended without an error."""
        while not self._items:
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._is_ended:
                return None
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker in self._takers:
                    self._takers.remove(taker)
                elif self._items:
                    self._wake()
                raise
        return self._items.popleft()

    def end(self, error: TagpostError | None) -> None:
        """Closes the queue: waiting items are dropped."""
        self._is_ended = True
        self._error = error
        self._items.clear()
        while self._takers:
            self._wake()

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return
