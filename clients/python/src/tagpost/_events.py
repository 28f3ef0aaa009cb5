"""What a device tells besides messages and receipts; `Device.on` takes these classes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ._errors import TagpostError


@dataclass(frozen=True)
class Online:
    """The connection is there."""

    device: str


@dataclass(frozen=True)
class Offline:
    """The connection is lost, or could not be made."""

    reason: str
    #: Seconds until the next attempt.
    retry_in: float


@dataclass(frozen=True)
class Ended:
    """There will be no further attempt. `error`: why; `None` after `close()`."""

    error: TagpostError | None


@dataclass(frozen=True)
class InProgress:
    """A device works on a message that this device published."""

    id: str
    device: str
    note: str | None
    #: The message is not sent again before this time, by the service's clock.
    until: datetime


@dataclass(frozen=True)
class AnswerRefused:
    """The service refused an answer, and the message is unanswered. If the answer counted as given, and the message comes
    again, `messages()` shows it again.
    """

    id: str
    error: TagpostError


@dataclass(frozen=True)
class MessageWithdrawn:
    """A message that this device has ended without its answer, whichever connection or poll it came over."""

    id: str
    #: `cancelled`, `replaced`, `expired` or `enough`.
    reason: str
