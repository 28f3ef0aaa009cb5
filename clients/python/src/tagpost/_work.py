"""The device's work on one message: saying that it goes on, and learning that it is in vain.

Nothing here is an answer. Progress that is lost is said again; if the end of the message is not told, the work is done in
vain, and nothing worse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from . import _json
from ._errors import Withdrawn

#: Seconds after which work is first reported: most is over by then, and costs nothing.
_FIRST = 2.0
_MAX_SECONDS = 86_400
_MAX_NOTE = 256
_REASONS = {
    "cancelled": "its sender has cancelled it",
    "replaced": "a newer message has replaced it",
    "expired": "it has expired",
    "enough": "enough other devices have acknowledged it",
}


@dataclass(frozen=True)
class Progress:
    """What is said about the work on a message, again and again until it is answered."""

    #: For how many seconds the message is not sent again, up to 86,400.
    seconds: int = 60
    #: What the device is doing, for the sender: up to 256 characters.
    note: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.seconds, int) or not 1 <= self.seconds <= _MAX_SECONDS:
            raise ValueError(f"seconds must be a whole number from 1 to {_MAX_SECONDS}")
        if self.note is not None:
            check_text("note", self.note, _MAX_NOTE)


class Work:
    def __init__(self, message_id: str, send: Callable[[str], bool]) -> None:
        self._id = message_id
        self._send = send
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._told: list[Callable[[], object]] = []
        self.withdrawal: Withdrawn | None = None

    def say(self, progress: Progress) -> None:
        if not self._is_over:
            frame = {"type": "progress", "id": self._id, "for": progress.seconds, "note": progress.note}
            self._send(_json.write(frame))

    def keep(self, progress: Progress) -> Callable[[], None]:
        """Says it again and again, well before its time runs out. What this returns ends it."""
        loop = asyncio.get_running_loop()

        def again() -> None:
            self.say(progress)
            self._timer = loop.call_later(progress.seconds / 3, again)

        self._stop()
        if not self._is_over:
            self._timer = loop.call_later(_FIRST, again)
        return self._stop

    def on_withdrawn(self, told: Callable[[], object]) -> Callable[[], None]:
        """Has this called when the message is withdrawn. What this returns takes it back."""
        if self.withdrawal is not None:
            told()
        self._told.append(told)
        return lambda: self._told.remove(told) if told in self._told else None

    def end(self) -> None:
        """The message is answered, or the device is closed."""
        self._is_over = True
        self._stop()

    def withdraw(self, reason: str) -> Withdrawn:
        """The message has ended elsewhere."""
        self.end()
        self.withdrawal = Withdrawn(reason, f"the message was withdrawn: {_REASONS.get(reason, reason)}")
        for told in list(self._told):
            told()
        self._told.clear()
        return self.withdrawal

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def check_text(field: str, text: str, longest: int) -> None:
    """A `ValueError` or `TypeError` for what the service would refuse."""
    if not isinstance(text, str):
        raise TypeError(f"{field} must be a string")
    if not _json.is_unicode(text):
        raise ValueError(f"{field} is not valid Unicode: it was cut in the middle of a character")
    if len(text) > longest:
        raise ValueError(f"{field} must be at most {longest} characters")
