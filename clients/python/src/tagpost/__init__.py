"""tagpost's client library: publish by tag, receive, acknowledge, and learn what became of each message.

`Client` speaks HTTP and keeps no connection; `connect` gives a `Device`, which also listens. Both are asynchronous;
`tagpost.sync` has the same names for programs without an event loop.
"""

from ._address import Target
from ._client import Client
from ._device import Device, connect
from ._errors import (
    BadRequest,
    Closed,
    Conflict,
    Forbidden,
    NotFound,
    Reject,
    TagpostError,
    TakenOver,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    Withdrawn,
)
from ._events import AnswerRefused, Ended, InProgress, MessageWithdrawn, Offline, Online
from ._message import Message
from ._model import (
    Delivery,
    DeliveryStep,
    DeviceEntry,
    DeviceStatus,
    DeviceToken,
    EscalationStep,
    Failure,
    FailureCount,
    Overview,
    PairingCode,
    Payload,
    Published,
    Receipt,
    State,
    Step,
    TagEntry,
    TagMember,
    TimelineStep,
    Trace,
    Urgency,
    WaitingMessage,
    WokenStep,
)
from ._token import Token
from ._work import Progress

__all__ = [
    "AnswerRefused",
    "BadRequest",
    "Client",
    "Closed",
    "Conflict",
    "Delivery",
    "DeliveryStep",
    "Device",
    "DeviceEntry",
    "DeviceStatus",
    "DeviceToken",
    "Ended",
    "EscalationStep",
    "Failure",
    "FailureCount",
    "Forbidden",
    "InProgress",
    "Message",
    "MessageWithdrawn",
    "NotFound",
    "Offline",
    "Online",
    "Overview",
    "PairingCode",
    "Payload",
    "Progress",
    "Published",
    "Receipt",
    "Reject",
    "State",
    "Step",
    "TagEntry",
    "TagMember",
    "TagpostError",
    "TakenOver",
    "Target",
    "TimelineStep",
    "Token",
    "TooManyRequests",
    "Trace",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Urgency",
    "WaitingMessage",
    "Withdrawn",
    "WokenStep",
    "connect",
]
