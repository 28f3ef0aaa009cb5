"""Receipts for the application. The service keeps each until it is confirmed as seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from . import _json
from ._errors import TagpostError
from ._model import Receipt, read_receipt
from ._queue import Queue

#: How many receipts are kept that the application has not seen.
_KEPT = 1_000
#: Receipts are confirmed to the service after at most this many.
_BATCH = 50


class Receipts:
    def __init__(self, send: Callable[[str], bool], renew: Callable[[], None]) -> None:
        """`renew` makes a new connection, over which the service sends all unseen receipts."""
        self._send = send
        self._renew = renew
        self._waiting: Queue[Receipt] = Queue()
        #: The number of the newest that was kept; numbers grow.
        self._newest = 0
        #: The numbers of the newest that the application has seen, and of the newest that was confirmed.
        self._seen = 0
        self._told = 0
        self._untold = 0
        #: Receipts were left with the service, since too many waited here.
        self._left = False
        self.is_iterated = False

    def welcome(self) -> None:
        """A new connection."""
        self._left = False
        # The old connection may have lost what was said over it.
        self._told = 0
        self._tell()

    def take(self, frame: dict[str, Any]) -> None:
        """A `receipt`."""
        receipt = read_receipt(frame)
        if receipt.seq <= self._newest:
            return
        # Confirming a receipt confirms all earlier ones: if one is left out, so are all later ones.
        self._left = self._left or len(self._waiting) >= _KEPT
        if self._left:
            return
        self._newest = receipt.seq
        self._waiting.push(receipt)

    async def next(self) -> Receipt | None:
        return await self._waiting.take()

    def give_back(self, receipt: Receipt) -> None:
        self._waiting.push_front(receipt)

    def saw(self, receipt: Receipt) -> None:
        self._seen = receipt.seq
        self._untold += 1
        if not self._waiting or self._untold >= _BATCH:
            self._tell()
        if not self._waiting and self._left:
            self._renew()

    def end(self, error: TagpostError | None) -> None:
        self._tell()
        self._waiting.end(error)

    def _tell(self) -> None:
        if self._seen == self._told:
            return
        if self._send(_json.write({"type": "receipts_seen", "seq": self._seen})):
            self._told = self._seen
            self._untold = 0


class SeenReceipts(AsyncIterator[Receipt]):
    """Each receipt once, in order. It counts as seen when the next is asked for; one at which a loop breaks off is the
    first of the next loop.
    """

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._shown: Receipt | None = None
        self._is_open = not receipts.is_iterated
        if not self._is_open:
            raise RuntimeError("receipts are taken already, by another loop")
        receipts.is_iterated = True

    def __aiter__(self) -> SeenReceipts:
        return self

    async def __anext__(self) -> Receipt:
        shown, self._shown = self._shown, None
        if shown is not None:
            self._receipts.saw(shown)
        receipt = await self._receipts.next()
        if receipt is None:
            raise StopAsyncIteration
        self._shown = receipt
        return receipt

    def close(self) -> None:
        """The loop is over."""
        if not self._is_open:
            return
        self._is_open = False
        self._receipts.is_iterated = False
        shown, self._shown = self._shown, None
        if shown is not None:
            self._receipts.give_back(shown)

    def __del__(self) -> None:
        self.close()
