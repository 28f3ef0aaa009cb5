"""The errors of this library: one class for each thing that an application would do about it.

`code` is stable, to be compared; `detail` is for a person to read, and names the header, parameter or field that is wrong.
Neither holds a token or a payload. An argument that no service would take is a `ValueError` or `TypeError` that names it.
"""

from __future__ import annotations

import re

_FIELD = re.compile(r"([A-Za-z][\w.\[\]-]*) (?:must|is|has|cannot|may|needs|takes)\b")


class TagpostError(Exception):
    """What the service refused, or why it gave no answer."""

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        #: Stable: the service's code, or one of this library's own.
        self.code = code
        #: What is wrong in this case.
        self.detail = detail
        #: The HTTP status, where the service answered with one.
        self.status = status
        #: Seconds after which the same request may be answered, where the service said so.
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        state = {"status": self.status, "retry_after": self.retry_after}
        return (type(self), (self.code, self.detail), state)


class BadRequest(TagpostError):
    """`bad_request`, `bad_frame`, `payload_too_large` and their kind: the same request will never be accepted."""

    @property
    def field(self) -> str | None:
        """The header, parameter or field that is wrong, where `detail` begins with it."""
        match = _FIELD.match(self.detail)
        return match[1] if match else None


class Unauthorized(TagpostError):
    """`unauthorized`: the token is not, or no longer, valid."""


class Forbidden(TagpostError):
    """`forbidden`: the token is valid, and does not permit this."""


class NotFound(TagpostError):
    """`unknown_tag`, `unknown_device`, `unknown_message`, `unknown_code` or `not_found`."""


class Conflict(TagpostError):
    """`idempotency_mismatch`, `nothing_failed` or `payload_gone`."""


class TooManyRequests(TagpostError):
    """`too_many_requests` or `outbox_full`."""


class Unavailable(TagpostError):
    """`unavailable` or `internal`: a publish may have been accepted. Repeat it with the same key."""


class Unreachable(TagpostError):
    """`unreachable`: there was no answer, or none of tagpost. A publish may have been accepted."""


class TakenOver(TagpostError):
    """`taken_over`: a newer connection of the same device took the place of this one."""


class Closed(TagpostError):
    """`closed`: the application closed the client."""


class Withdrawn(TagpostError):
    """A message ended without this device's answer. `code`: `cancelled`, `replaced`, `expired` or `enough`."""


class Reject(Exception):
    """Raised by a handler to reject its message. `reason` is for the sender: up to 256 characters."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "rejected")
        self.reason = reason


_CLASSES: dict[str, type[TagpostError]] = {
    "bad_request": BadRequest,
    "bad_frame": BadRequest,
    "method_not_allowed": BadRequest,
    "payload_too_large": BadRequest,
    "unsupported_media_type": BadRequest,
    "tag_too_large": BadRequest,
    "too_many_tags": BadRequest,
    "too_many_subscriptions": BadRequest,
    "too_many_revoked": BadRequest,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "unknown_tag": NotFound,
    "unknown_device": NotFound,
    "unknown_message": NotFound,
    "unknown_code": NotFound,
    "idempotency_mismatch": Conflict,
    "nothing_failed": Conflict,
    "payload_gone": Conflict,
    "too_many_requests": TooManyRequests,
    "outbox_full": TooManyRequests,
    "unavailable": Unavailable,
    "internal": Unavailable,
}


def problem(
    code: str, detail: str, *, status: int | None = None, retry_after: float | None = None
) -> TagpostError:
    """The error of a problem document or an `error` frame. A code of a later version is a plain `TagpostError`."""
    return _CLASSES.get(code, TagpostError)(code, detail, status=status, retry_after=retry_after)
