"""What the service answers, as objects. Times are aware `datetime`s, by the service's clock.

Fields that this version does not know are ignored: later versions of the service may send more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, Union

from ._address import Target, read_target

#: The state of a delivery. All but `held`, `sent` and `in_progress` are terminal states.
State = Literal[
    "held",
    "sent",
    "in_progress",
    "delivered",
    "rejected",
    "expired",
    "replaced",
    "refused",
    "undeliverable",
    "cancelled",
]
Urgency = Literal["very-low", "low", "normal", "high"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def write_time(time: datetime) -> int:
    """Rounded up, in milliseconds."""
    if time.tzinfo is None:
        raise ValueError("a time must have a time zone")
    return -((_EPOCH - time) // timedelta(milliseconds=1))


def read_time(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _time(value: int | None) -> datetime | None:
    return None if value is None else read_time(value)


@dataclass(frozen=True)
class Delivery:
    """One message to one device."""

    device: str
    state: State
    #: Since when it is in this state.
    at: datetime
    attempts: int
    #: What the device answered: any JSON.
    reply: Any = None
    #: Why it was rejected, refused or cancelled.
    reason: str | None = None

    @property
    def is_terminal(self) -> bool:
        return self.state not in ("held", "sent", "in_progress")


@dataclass(frozen=True)
class Step:
    """A step of an escalation: to whom the message goes if too few acknowledge it."""

    to: Target
    #: Seconds after the hand-over.
    after: int


@dataclass(frozen=True)
class Published:
    """What became of a message so far."""

    id: str
    to: Target
    accepted_at: datetime
    expires_at: datetime
    deliveries: list[Delivery]
    #: How many deliveries are in which state.
    summary: Mapping[State, int]
    #: Its own state, if it has no deliveries.
    state: Literal["scheduled", "cancelled", "refused"] | None
    #: Why it was refused, if it has no deliveries.
    reason: str | None
    #: When it was or will be handed over, if the sender named a time.
    deliver_at: datetime | None
    acks_needed: int | None
    #: When there were enough acknowledgements.
    enough_at: datetime | None
    #: The steps of its escalation that may still be taken, in order.
    escalate: list[Step]
    #: The message that it sends again.
    resend_of: str | None
    #: The last messages that sent it again, oldest first.
    resent_as: list[str]
    #: There are more deliveries: the `cursor` for the next page of the trace.
    next: str | None


@dataclass(frozen=True)
class DeliveryStep:
    """A delivery has reached the state `event`."""

    device: str
    event: State
    at: datetime
    attempt: int
    #: What the device said about its work.
    note: str | None


@dataclass(frozen=True)
class EscalationStep:
    """A step of the message's escalation was taken."""

    event: Literal["escalated", "escalation_failed"]
    at: datetime
    to: Target
    #: How many further devices the message went to.
    devices: int | None
    #: Why it failed.
    code: str | None


@dataclass(frozen=True)
class WokenStep:
    """A push service has taken a knock for a device for which the message waited."""

    event: Literal["woken"]
    device: str
    at: datetime
    #: The push service's host.
    host: str


TimelineStep = Union[DeliveryStep, EscalationStep, WokenStep]


@dataclass(frozen=True)
class Trace(Published):
    """All deliveries of one message, with every step so far, oldest first."""

    timeline: list[TimelineStep]


@dataclass(frozen=True)
class Receipt:
    """The terminal state of one delivery."""

    #: Grows.
    seq: int
    #: Of the message.
    id: str
    #: `None` if the message ended without a delivery.
    device: str | None
    state: State
    at: datetime
    reply: Any = None
    reason: str | None = None


@dataclass(frozen=True)
class DeviceToken:
    device: str
    #: A secret.
    token: str
    created_at: datetime
    #: With it the token can be revoked alone; `None` from a service that gives tokens no ids.
    token_id: str | None = None
    #: When the token expires; `None` if it does not.
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"DeviceToken(device={self.device!r}, token=…)"


@dataclass(frozen=True)
class PairingCode:
    """Whoever exchanges it first gets a token of its device."""

    #: A secret.
    code: str
    #: The page for a phone, with the code in its fragment.
    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"PairingCode(code=…, expires_at={self.expires_at!r})"


@dataclass(frozen=True)
class DeviceEntry:
    device: str
    created_at: datetime


@dataclass(frozen=True)
class DeviceStatus:
    device: str
    online: bool
    connected_at: datetime | None
    last_seen_at: datetime | None
    #: Messages that wait for it, that are sent and not acknowledged, and that it works on.
    held: int
    in_flight: int
    in_progress: int
    #: The payload bytes of all three.
    held_bytes: int
    #: When the oldest of them was accepted.
    held_since: datetime | None
    tags: list[str]


@dataclass(frozen=True)
class TagEntry:
    tag: str
    #: How many devices have it.
    devices: int


@dataclass(frozen=True)
class TagMember:
    device: str
    #: Only if presence was asked for.
    online: bool | None


@dataclass(frozen=True)
class WaitingMessage:
    """A message that waits for a device."""

    id: str
    sender: str
    to: Target
    sent_at: datetime
    expires_at: datetime
    urgency: Urgency
    topic: str | None
    content_type: str
    #: The payload's bytes.
    size: int
    state: State
    attempts: int
    #: Only if payloads were asked for.
    payload: Any


@dataclass(frozen=True)
class Failure:
    """A delivery that is `expired`, `undeliverable`, `refused` or `rejected`."""

    id: str
    at: datetime
    state: State
    reason: str | None
    sender: str
    device: str
    #: The tag or expression that the message was published to, if it was not one device.
    tag: str | None
    resent_as: str | None


@dataclass(frozen=True)
class FailureCount:
    hour: datetime
    state: State
    count: int


@dataclass(frozen=True)
class Overview:
    devices: int
    tags: int
    #: How many deliveries failed in each of the last 24 hours.
    failures: list[FailureCount]


@dataclass(frozen=True)
class Payload:
    """A payload as it was published."""

    content: bytes
    content_type: str


def read_delivery(json: dict[str, Any]) -> Delivery:
    return Delivery(
        json["device"],
        json["state"],
        read_time(json["at"]),
        json["attempts"],
        json.get("reply"),
        json.get("reason"),
    )


def _published(json: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": json["id"],
        "to": read_target(json["to"]),
        "accepted_at": read_time(json["accepted_at"]),
        "expires_at": read_time(json["expires_at"]),
        "deliveries": [read_delivery(each) for each in json["deliveries"]],
        "summary": json["summary"],
        "state": json.get("state"),
        "reason": json.get("reason"),
        "deliver_at": _time(json.get("deliver_at")),
        "acks_needed": json.get("acks_needed"),
        "enough_at": _time(json.get("enough_at")),
        "escalate": [Step(read_target(step["to"]), step["after"]) for step in json.get("escalate", [])],
        "resend_of": json.get("resend_of"),
        "resent_as": json.get("resent_as", []),
        "next": json.get("next"),
    }


def read_published(json: dict[str, Any]) -> Published:
    return Published(**_published(json))


def read_trace(json: dict[str, Any]) -> Trace:
    steps = (_step(step) for step in json["timeline"])
    return Trace(**_published(json), timeline=[step for step in steps if step is not None])


def _step(json: dict[str, Any]) -> TimelineStep | None:
    at = read_time(json["at"])
    if "to" in json:
        return EscalationStep(
            json["event"], at, read_target(json["to"]), json.get("devices"), json.get("code")
        )
    if "host" in json:
        return WokenStep(json["event"], json["device"], at, json["host"])
    if "attempt" in json:
        return DeliveryStep(json["device"], json["event"], at, json["attempt"], json.get("note"))
    return None


def read_receipt(json: dict[str, Any]) -> Receipt:
    return Receipt(
        json["seq"],
        json["id"],
        json["device"],
        json["state"],
        read_time(json["at"]),
        json.get("reply"),
        json.get("reason"),
    )


def read_status(json: dict[str, Any]) -> DeviceStatus:
    return DeviceStatus(
        json["device"],
        json["online"],
        _time(json["connected_at"]),
        _time(json["last_seen_at"]),
        json["held"],
        json["in_flight"],
        json["in_progress"],
        json["held_bytes"],
        _time(json["held_since"]),
        json["tags"],
    )


def read_waiting(json: dict[str, Any], payload: Any) -> WaitingMessage:
    return WaitingMessage(
        json["id"],
        json["from"],
        read_target(json["to"]),
        read_time(json["sent_at"]),
        read_time(json["expires_at"]),
        json["urgency"],
        json["topic"],
        json["content_type"],
        json["size"],
        json["state"],
        json["attempts"],
        payload,
    )


def read_failure(json: dict[str, Any]) -> Failure:
    return Failure(
        json["id"],
        read_time(json["at"]),
        json["state"],
        json.get("reason"),
        json["sender"],
        json["device"],
        json.get("tag"),
        json.get("resent_as"),
    )


def read_overview(json: dict[str, Any]) -> Overview:
    counts = [
        FailureCount(read_time(each["hour"]), each["state"], each["count"])
        for each in json["failures"]["by_hour"]
    ]
    return Overview(json["devices"], json["tags"], counts)
