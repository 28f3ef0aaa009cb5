"""Payloads between the application and the wire: JSON as JSON, text as UTF-8, bytes as they are."""

from __future__ import annotations

import base64
import re
from typing import Any

from . import _json

#: The media types of JSON (RFC 8259; RFC 6839, section 3.1), parameters or not.
_JSON_TYPE = re.compile(r"\s*(application/json|[^;]*\+json)\s*(;|$)", re.IGNORECASE)


def encode(payload: object, content_type: str | None) -> tuple[bytes, str]:
    """The body of a publish, and its media type. With a media type of JSON, a string is the text of JSON."""
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload), content_type or "application/octet-stream"
    if isinstance(payload, str):
        if not _json.is_unicode(payload):
            raise ValueError("payload is not valid Unicode: it was cut in the middle of a character")
        if content_type is not None and is_json(content_type):
            try:
                _json.read(payload)
            except (ValueError, RecursionError) as error:
                raise ValueError("payload must be the text of JSON, as content_type says") from error
        return payload.encode(), content_type or "text/plain; charset=utf-8"
    try:
        return _json.write(payload).encode(), content_type or "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError("payload must be JSON, a string or bytes") from error


def decode(frame: dict[str, Any]) -> Any:
    """The payload that a `message` frame carries: JSON, a string, or bytes."""
    payload = frame["payload"]
    return base64.b64decode(payload) if frame.get("encoding") == "base64" else payload


def is_json(content_type: str) -> bool:
    return _JSON_TYPE.match(content_type) is not None
