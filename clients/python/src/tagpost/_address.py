"""Where the service is, and to whom a message goes.

The service may lie below a path, behind a proxy: nothing is ever asked for outside that path.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
TOKEN_ID = re.compile(r"[A-Za-z0-9._~:-]{1,64}", re.ASCII)
_MESSAGE = re.compile(r"[0-9A-Za-z]{26}", re.ASCII)
_OPERATOR = re.compile(r"[&|!()]")


def service_at(url: str) -> str:
    """The address that all paths of the service are added to: it ends in a slash."""
    if not isinstance(url, str):
        raise TypeError("url must be a string")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("url must begin with http:// or https://")
    # The URL is not repeated: what should not be in it may be a secret.
    if parts.username is not None or parts.password is not None:
        raise ValueError("url must not hold a user name or a password")
    if not parts.hostname or not _has_valid_port(parts):
        raise ValueError("url must name a host, and a port only as a number")
    path = parts.path.rstrip("/")
    if path.endswith("/v1"):
        raise ValueError("url must be the address of the service, without the /v1 of its paths")
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/", "", ""))


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True)
class Target:
    """Whom a message is addressed to. `str()` gives the form in which `publish` takes it, too."""

    kind: Literal["tag", "device", "match"]
    #: The tag, the device, or the expression: `hallway & !muted`.
    name: str

    @classmethod
    def tag(cls, name: str) -> Target:
        return cls("tag", name)

    @classmethod
    def device(cls, name: str) -> Target:
        return cls("device", name)

    @classmethod
    def match(cls, expression: str) -> Target:
        return cls("match", expression)

    def __str__(self) -> str:
        return f"@{self.name}" if self.kind == "device" else self.name


def target(to: Target | str) -> Target:
    """What a string addresses: an expression, if it has an operator; a device after `@`; otherwise a tag."""
    if isinstance(to, Target):
        found = to
    elif not isinstance(to, str):
        raise TypeError("to must be a string or a Target")
    elif _OPERATOR.search(to):
        found = Target.match(to)
    else:
        found = Target.device(to[1:]) if to.startswith("@") else Target.tag(to)
    if found.kind == "device":
        checked_device(found.name, "to")
    elif found.kind == "tag":
        checked_tag(found.name, "to")
    return found


def read_target(json_target: dict[str, Any]) -> Target:
    """A target as the service writes it."""
    for kind in ("tag", "device", "match"):
        if kind in json_target:
            return Target(kind, json_target[kind])
    return Target.match(json.dumps(json_target))


def checked_device(name: str, field: str = "device") -> str:
    """The name, which goes into a path: with `..` in it another path would be asked for."""
    if not isinstance(name, str) or not DEVICE.fullmatch(name):
        raise ValueError(f"{field} must be a device's name, which matches {DEVICE.pattern}")
    return name


def checked_token_id(token_id: str) -> str:
    if not isinstance(token_id, str) or not TOKEN_ID.fullmatch(token_id) or token_id in (".", ".."):
        raise ValueError(f"token_id must be a token's id, which matches {TOKEN_ID.pattern}")
    return token_id


def checked_tag(name: str, field: str = "tag") -> str:
    if not isinstance(name, str) or not TAG.fullmatch(name):
        raise ValueError(f"{field} must be a tag, which matches {TAG.pattern}")
    return name


def checked_message(message_id: str) -> str:
    if not isinstance(message_id, str) or not _MESSAGE.fullmatch(message_id):
        raise ValueError("id must be the id of a message: 26 letters and digits")
    return message_id


def claims(token: str) -> dict[str, Any]:
    """What a token says, unverified. Empty for what is not a JWT, the admin key for example."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
