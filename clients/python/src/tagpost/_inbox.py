"""Messages on their way to the application, and its answers on their way back.

The service sends a message again until it is answered; here each id is let through once. Nothing is answered that the
application has not answered, so the service's window bounds what waits here.

The service does not confirm an answer that it accepts. The `pong` to a `ping` sent after the answer shows that the service
has received it, so that it is not lost with the connection. It does not show that the answer was accepted: the platform
says `pong` on behalf of the mailbox, which may still refuse the answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from . import _json
from ._errors import Closed, TagpostError, problem
from ._message import Given, Message, failed
from ._queue import Queue
from ._work import Progress, Work

#: How many ids are remembered. Several times the largest window there is, which is 128.
_REMEMBERED = 1_024


@dataclass(eq=False)
class _Known:
    #: Until it is answered.
    work: Work | None = None
    #: The frame that answers it.
    answer: str | None = None
    #: Done once the answer has come to the service.
    given: asyncio.Future[None] | None = None
    is_given: bool = False
    #: Sent over the present connection.
    is_sent: bool = False


class Inbox:
    def __init__(
        self,
        send: Callable[[str], bool],
        ping: Callable[[Callable[[], None]], bool],
        on_refused: Callable[[str, TagpostError], None],
    ) -> None:
        self._send = send
        self._ping = ping
        self._on_refused = on_refused
        self._is_asking = False
        #: Answered, and not known to have come to the service.
        self._underway: dict[_Known, None] = {}
        #: Oldest first.
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._waiting: Queue[Message] = Queue()
        self._window = 0
        self._ended: TagpostError | None = None

    def __len__(self) -> int:
        """How many messages wait to be taken."""
        return len(self._waiting)

    def welcome(self, window: int) -> None:
        """A new connection: repeats the answers that may not have arrived."""
        self._window = window
        self._is_asking = False
        for known in self._underway:
            known.is_sent = self._send(known.answer or "")
        self._ask()

    def take(self, frame: dict[str, Any], text: str) -> None:
        """A `message`."""
        known = self._known.get(frame["id"])
        if known is not None:
            # If it was answered, the service did not get the answer, or it would not send the message again.
            return self._give(known)
        # Some of those that wait must have expired. A message that is dropped here is sent again.
        if len(self._waiting) >= self._window:
            return
        work = Work(frame["id"], self._send)
        message = Message(frame, text, self._answer, self._is_answered, work)
        self._remember(message.id, _Known(work))
        self._waiting.push(message)

    def withdrawn(self, message_id: str, reason: str) -> None:
        """A message has ended without an answer. If it comes again all the same, it is shown again."""
        known = self._known.pop(message_id, None)
        if known is None:
            return
        self._underway.pop(known, None)
        self._waiting.drop(lambda message: message.id == message_id)
        error = (known.work or Work(message_id, self._send)).withdraw(reason)
        if known.given is not None:
            failed(known.given, error)

    def refused(self, frame: dict[str, Any]) -> bool:
        """An `error`. Returns whether it is about an answer: then the message is not answered."""
        message_id = frame.get("ref")
        known = self._known.get(message_id) if isinstance(message_id, str) else None
        if known is None or known.given is None:
            return False
        error = problem(frame["code"], frame["detail"])
        self._underway.pop(known, None)
        if known.is_given:
            # The application may be done with the message: its next repeat is shown.
            del self._known[str(message_id)]
        else:
            given, known.given, known.answer = known.given, None, None
            failed(given, error)
        self._on_refused(str(message_id), error)
        return True

    def messages(self, progress: Progress | None) -> Messages:
        return Messages(self, progress)

    async def next(self) -> Message | None:
        while True:
            message = await self._waiting.take()
            # One may be answered, or withdrawn, before its turn.
            if message is None or not (message.is_answered or message.is_withdrawn):
                return message

    def give_back(self, message: Message) -> None:
        """A message that was taken and not dealt with is the next."""
        if not (message.is_answered or message.is_withdrawn):
            self._waiting.push_front(message)

    def end(self, error: TagpostError | None) -> None:
        """No answer can be given any more."""
        self._ended = error or Closed("closed", "the device was closed")
        self._waiting.end(error)
        for known in self._known.values():
            if known.work is not None:
                known.work.end()
        for known in self._underway:
            if known.given is not None:
                failed(known.given, self._ended)
        self._underway.clear()

    def _is_answered(self, message_id: str) -> bool:
        known = self._known.get(message_id)
        return known is not None and known.answer is not None

    def _answer(self, message: Message, fields: dict[str, object]) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        error = message.withdrawal or self._ended
        if error is not None:
            failed(future, error)
            return Given(future)
        known = self._known.get(message.id) or self._remember(message.id, _Known())
        if known.given is not None:
            return Given(known.given)
        if known.work is not None:
            known.work.end()
        known.given = future
        known.is_given = False
        known.answer = _json.write({**fields, "id": message.id, "ref": message.id})
        self._give(known)
        return Given(future)

    def _give(self, known: _Known) -> None:
        if known.answer is None:
            return
        known.is_sent = self._send(known.answer)
        self._underway[known] = None
        self._ask()

    def _ask(self) -> None:
        """One `ping` at a time asks for all answers that were sent before it."""
        asked = [(known, known.given) for known in self._underway if known.is_sent]
        if self._is_asking or not asked:
            return

        def answered() -> None:
            self._is_asking = False
            for known, given in asked:
                # One that was refused meanwhile may have been answered again.
                if known.given is not given or known not in self._underway:
                    continue
                del self._underway[known]
                known.is_given = True
                # Once it is answered, nothing can withdraw it here.
                known.work = None
                if given is not None and not given.done():
                    given.set_result(None)
            self._ask()

        self._is_asking = self._ping(answered)

    def _remember(self, message_id: str, known: _Known) -> _Known:
        self._known[message_id] = known
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


class Messages(AsyncIterator[Message]):
    """The messages for a device, each once. One that is unanswered when a loop breaks off is the first of the next loop."""

    def __init__(self, inbox: Inbox, progress: Progress | None) -> None:
        self._inbox = inbox
        self._progress = progress
        self._shown: Message | None = None

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Message:
        self._shown = None
        message = await self._inbox.next()
        if message is None:
            raise StopAsyncIteration
        self._shown = message
        if self._progress is not None:
            message.working(self._progress.seconds, self._progress.note)
        return message

    def close(self) -> None:
        """The loop is over."""
        shown, self._shown = self._shown, None
        if shown is not None:
            self._inbox.give_back(shown)

    # An asynchronous generator would only be closed some time after a `break`, when the next loop has begun.
    def __del__(self) -> None:
        self.close()
