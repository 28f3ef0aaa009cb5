"""A message as the application gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from . import _json, _payload
from ._address import read_target
from ._errors import TagpostError, Withdrawn
from ._model import Urgency, read_time
from ._work import Progress, Work, check_text

#: The longest `reply`, in bytes of JSON.
_MAX_REPLY_BYTES = 4_096
#: How deep the arrays and objects of a `reply` may be nested.
_MAX_REPLY_DEPTH = 100
#: The longest `reason`, in characters.
_MAX_REASON = 256

_NO_REPLY: Any = object()


class Received:
    """What a message says."""

    def __init__(self, frame: dict[str, Any], text: str | None) -> None:
        #: Stable, however often the message is sent.
        self.id: str = frame["id"]
        #: The device that published it.
        self.sender: str = frame["from"]
        #: What it was published to.
        self.to = read_target(frame["to"])
        #: JSON, a string, or bytes.
        self.payload: Any = _payload.decode(frame)
        #: The payload's media type.
        self.content_type: str = frame["content_type"]
        #: When the service accepted it, by the service's clock.
        self.sent_at = read_time(frame["sent_at"])
        #: When it expires, by the service's clock.
        self.expires_at = read_time(frame["expires_at"])
        #: How often it was sent, counted from 1.
        self.attempt: int = frame["attempt"]
        self.urgency: Urgency = frame["urgency"]
        self.topic: str | None = frame["topic"]
        is_json = "encoding" not in frame and _payload.is_json(self.content_type)
        # The text of JSON is cut out of the frame when somebody asks for it; then the frame is no longer needed.
        self._frame = text if is_json else None
        self._text = self.payload if isinstance(self.payload, str) else None

    @property
    def text(self) -> str | None:
        """The payload as text: JSON character for character as it was published, or the string. `None` for bytes."""
        if self._frame is not None:
            self._text = _json.member(self._frame, "payload")
            self._frame = None
        return self._text

    def __repr__(self) -> str:
        return f"<Message {self.id} from {self.sender} to {self.to}>"


class Given:
    """An answer on its way. It need not be awaited: it is repeated until the service has it.

    Awaited, it ends once the service has the answer, and raises a `TagpostError` if the service refused it, the message
    was withdrawn, or the connection has ended.
    """

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        # Who gives up waiting does not take the answer back.
        return asyncio.shield(self._future).__await__()


class Working:
    """Keeps a message in progress until `stop()`, or the end of its `with` block."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.stop = stop

    def __enter__(self) -> Working:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Message(Received):
    """One message for this device. It is shown once, and counts as delivered once it is acknowledged."""

    def __init__(
        self,
        frame: dict[str, Any],
        text: str,
        answer: Callable[[Message, dict[str, object]], Awaitable[None]],
        is_answered: Callable[[str], bool],
        work: Work,
    ) -> None:
        super().__init__(frame, text)
        self._answer = answer
        self._is_answered = is_answered
        self._work = work

    def ack(self, reply: object = _NO_REPLY) -> Awaitable[None]:
        """Acknowledges the message: its sender learns `delivered`. The first answer to a message counts.

        `reply`: what the sender gets with it, up to 4,096 bytes of JSON of at most 100 levels. One that cannot be sent is
        a `ValueError` or `TypeError` at once, nothing was answered, and another answer can be given.

        It is sent now, or after the reconnect. Await it to know that the service has it; that is not necessary.
        """
        fields: dict[str, object] = {"type": "ack"}
        if reply is not _NO_REPLY:
            _check_reply(reply)
            fields["reply"] = reply
        return self._answer(self, fields)

    def nack(self, reason: str | None = None) -> Awaitable[None]:
        """Rejects the message: its sender learns `rejected`, and `reason`, of up to 256 characters. As `ack`."""
        fields: dict[str, object] = {"type": "nack"}
        if reason is not None:
            check_text("reason", reason, _MAX_REASON)
            fields["reason"] = reason
        return self._answer(self, fields)

    def progress(self, seconds: int = 60, note: str | None = None) -> None:
        """Says once that the device works on the message, which is not sent again for so many seconds. Nothing is said
        while the device is offline.
        """
        self._work.say(Progress(seconds, note))

    def working(self, seconds: int = 60, note: str | None = None) -> Working:
        """Keeps the message in progress until it is answered or withdrawn. It is said after two seconds, and then three
        times within the time, so that a lost one does no harm.
        """
        return Working(self._work.keep(Progress(seconds, note)))

    @property
    def is_answered(self) -> bool:
        return self._is_answered(self.id)

    @property
    def withdrawal(self) -> Withdrawn | None:
        """Why an answer has no effect any more, once the message was withdrawn: its sender cancelled it, it expired, a
        newer one replaced it, or enough other devices acknowledged it. A device that is offline then is not told.
        """
        return self._work.withdrawal

    @property
    def is_withdrawn(self) -> bool:
        return self.withdrawal is not None

    async def withdrawn(self) -> Withdrawn:
        """Waits until the message is withdrawn."""
        told = asyncio.Event()
        forget = self._work.on_withdrawn(told.set)
        try:
            await told.wait()
        finally:
            forget()
        assert self.withdrawal is not None
        return self.withdrawal


def failed(future: asyncio.Future[None], error: TagpostError) -> None:
    """Ends an answer with an error, which nobody has to look at."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def _check_reply(reply: object) -> None:
    too_deep = f"reply must have at most {_MAX_REPLY_DEPTH} levels"
    try:
        text = _json.write(reply)
    except RecursionError as error:
        raise ValueError(too_deep) from error
    except (TypeError, ValueError) as error:
        raise TypeError(f"reply must be JSON: {error}") from error
    if len(text.encode()) > _MAX_REPLY_BYTES:
        raise ValueError(f"reply must be at most {_MAX_REPLY_BYTES} bytes of JSON")
    if _json.depth(reply) > _MAX_REPLY_DEPTH:
        raise ValueError(too_deep)
