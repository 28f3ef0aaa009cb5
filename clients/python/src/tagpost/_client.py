"""A client of the HTTP interface: it publishes, reads and administers, and opens no connection that is kept."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, Literal, TypeVar

from . import _json, _payload
from ._address import Target, checked_device, checked_message, checked_tag, checked_token_id, claims, service_at, target
from ._errors import Closed, TagpostError, Unreachable
from ._http import TIMEOUT, Answer, Http, positive, tls
from ._model import (
    DeviceEntry,
    DeviceStatus,
    DeviceToken,
    Failure,
    Overview,
    PairingCode,
    Payload,
    Published,
    State,
    TagEntry,
    TagMember,
    Trace,
    Urgency,
    WaitingMessage,
    read_failure,
    read_overview,
    read_published,
    read_status,
    read_time,
    read_trace,
    read_waiting,
    write_time,
)
from ._token import Token, Tokens

T = TypeVar("T")
C = TypeVar("C", bound="Client")

#: Seconds that a publish waits for acknowledgements, unless the sender says otherwise.
_WAIT = 1


class Client:
    """A service and a credential for it: a device's token, or the admin key.

    Use it with `async with`, or `close()` it. Every call raises a `TagpostError` if the service refuses it or cannot be
    reached; one that fails for a reason that may pass is repeated for `timeout` seconds, 30 unless given.
    """

    _takes_devices_only = False

    def __init__(
        self, url: str, token: Token, *, timeout: float | None = TIMEOUT, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        """`url`: where the service is, `https://relay.example`, or `https://example.com/push` below a path.
        `token`: a string, or a function that gives a new one: it is called before the token expires, and after the
        service has refused it. `ssl_context`: unless given, the CAs of the system and of `certifi` are trusted.
        """
        self._base = service_at(url)
        self._tokens = Tokens(token, device=self._takes_devices_only)
        self._ssl = tls(ssl_context)
        self._timeout = None if timeout is None else positive(timeout)
        self._http = Http(self._base, self._tokens, self._ssl)

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends it at once. What is not answered fails with `Closed`; some publishes may have been accepted."""
        await self._http.end(Closed("closed", "the client was closed"))

    # Messages

    async def publish(
        self,
        to: Target | str,
        payload: object,
        *,
        content_type: str | None = None,
        ttl: int | None = None,
        topic: str | None = None,
        urgency: Urgency | None = None,
        wait: int | None = None,
        key: str | None = None,
        echo: bool = False,
        acks_needed: int | None = None,
        escalate: Sequence[tuple[Target | str, int]] = (),
        delay: int | None = None,
        deliver_at: datetime | int | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Published:
        """Publishes a message, and tells what became of it within `wait` seconds.

        It is sent until the service has answered, for `wait` + `timeout` seconds at most, and stays one message.

        `to`: a tag, `"hallway"`; a device, `"@kitchen-cam"`; or an expression of them, `"hallway & !muted"`.
        `payload`: JSON, a string, or bytes. With `content_type="application/json"` a string is the text of JSON.
        `ttl`: seconds to keep trying, a day unless given; 0 = now or never.
        `topic`: replaces an unacknowledged message of the same topic.
        `wait`: seconds to wait for the acknowledgement of devices that are online, 0 to 60; 1 unless given.
        `key`: the idempotency key; a random one unless given.
        `echo`: whether a message to a tag comes back to this device, if it has the tag itself.
        `acks_needed`: how many acknowledgements are enough; after that all other deliveries are cancelled.
        `escalate`: to whom it goes as well, if too few have acknowledged it after so many seconds; up to 8 steps.
        `delay`: seconds until it is handed over; or `deliver_at`: when, as an aware `datetime` or in milliseconds.
        `timeout`: `None` for without limit.
        """
        found = target(to)
        content, content_type = _payload.encode(payload, content_type)
        headers = {"content-type": _header("content_type", content_type), "idempotency-key": _key(key)}
        if found.kind == "match":
            headers["to"] = _header("to", found.name)
        if escalate:
            headers["escalate"] = _header("escalate", ", ".join(f"{target(to)};after={after}" for to, after in escalate))
        optional = {
            "ttl": ttl,
            "topic": topic,
            "urgency": urgency,
            "acks-needed": acks_needed,
            "delay": delay,
            "deliver-at": _milliseconds(deliver_at),
        }
        for name, value in optional.items():
            if value is not None:
                headers[name] = _header(name.replace("-", "_"), str(value))
        if wait is not None:
            headers["prefer"] = f"wait={_whole('wait', wait)}"
        if echo:
            headers["echo"] = "true"
        path = {
            "tag": f"v1/tags/{found.name}/messages",
            "device": f"v1/devices/{found.name}/messages",
            "match": "v1/messages",
        }[found.kind]
        waiting = _WAIT if wait is None else wait
        answer = await self._http.request(
            "POST", path, headers=headers, content=content, wait=waiting, timeout=timeout
        )
        return _understood(lambda: read_published(answer.json()))

    async def trace(
        self, id: str, *, wait: int = 0, limit: int | None = None, cursor: str | None = None
    ) -> Trace:
        """The trace of a message. `wait`: seconds to wait for the terminal state of every delivery, 0 to 60."""
        query = {"wait": _whole("wait", wait), "limit": limit, "cursor": cursor}
        answer = await self._ask("GET", f"v1/messages/{checked_message(id)}", query=query, wait=wait)
        return _understood(lambda: read_trace(answer.json()))

    async def cancel(self, id: str) -> Trace:
        """Cancels every delivery of a message that is not in a terminal state."""
        answer = await self._ask("DELETE", f"v1/messages/{checked_message(id)}")
        return _understood(lambda: read_trace(answer.json()))

    async def resend(
        self, id: str, *, devices: Iterable[str] | None = None, wait: int | None = None, key: str | None = None
    ) -> Published:
        """Sends a message again to the devices that it has failed for, or to `devices` of them. The new message."""
        headers = {"idempotency-key": _key(key)}
        if wait is not None:
            headers["prefer"] = f"wait={_whole('wait', wait)}"
        body = {} if devices is None else {"devices": list(devices)}
        path = f"v1/messages/{checked_message(id)}/resend"
        answer = await self._ask("POST", path, headers=headers, body=body, wait=_WAIT if wait is None else wait)
        return _understood(lambda: read_published(answer.json()))

    async def payload(self, id: str) -> Payload:
        """The payload of a message as it was published, while a mailbox has it."""
        answer = await self._ask("GET", f"v1/messages/{checked_message(id)}/payload")
        return Payload(answer.content, answer.content_type)

    def sent(
        self, *, state: State | Literal["scheduled"] | None = None, device: str | None = None
    ) -> AsyncIterator[Published]:
        """The messages that this device sent, or `device` (for the operator), newest first."""
        path = "v1/messages" if device is None else f"v1/devices/{checked_device(device)}/messages"
        return self._pages(path, "messages", read_published, {"state": state})

    # Devices

    async def put_device(
        self,
        device: str,
        *,
        publish: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        webhook: bool = False,
        expires_in: int | None = None,
    ) -> DeviceToken:
        """Creates a device unless it exists, and mints a token for it. Earlier tokens stay valid.

        `publish`: patterns of what it may publish to, everything unless given; `tags`: patterns of the tags that it may
        bind itself to; `webhook`: whether it may set its own webhook; `expires_in`: seconds.
        """
        grant = _grant(publish, tags, webhook, expires_in)
        answer = await self._ask("PUT", f"v1/devices/{checked_device(device)}", body=grant)

        def read() -> DeviceToken:
            json = answer.json()
            return DeviceToken(
                json["device"],
                json["token"],
                read_time(json["created_at"]),
                json.get("token_id"),
                read_time(json["expires_at"]) if "expires_at" in json else None,
            )

        return _understood(read)

    async def pairing_code(
        self,
        device: str,
        *,
        publish: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        webhook: bool = False,
        expires_in: int | None = None,
    ) -> PairingCode:
        """Issues a code that a phone exchanges for a token of this device. It is valid for ten minutes, and once."""
        grant = _grant(publish, tags, webhook, expires_in)
        answer = await self._ask("POST", f"v1/devices/{checked_device(device)}/pair", body=grant)

        def read() -> PairingCode:
            json = answer.json()
            return PairingCode(json["code"], json["url"], read_time(json["expires_at"]))

        return _understood(read)

    async def device(self, device: str) -> DeviceStatus:
        """Presence and queue of a device. For the operator, and the device itself."""
        answer = await self._ask("GET", f"v1/devices/{checked_device(device)}")
        return _understood(lambda: read_status(answer.json()))

    def devices(self) -> AsyncIterator[DeviceEntry]:
        """All devices, by name."""

        def read(json: dict[str, Any]) -> DeviceEntry:
            return DeviceEntry(json["device"], read_time(json["created_at"]))

        return self._pages("v1/devices", "devices", read, {})

    async def delete_device(self, device: str) -> None:
        """Forgets a device: its tags, tokens and messages, and everything it sent."""
        await self._ask("DELETE", f"v1/devices/{checked_device(device)}")

    async def revoke_tokens(self, device: str) -> None:
        """Revokes all tokens of a device issued so far, and closes its connection."""
        await self._ask("DELETE", f"v1/devices/{checked_device(device)}/tokens")

    async def revoke_token(self, device: str, token_id: str, *, expires_at: datetime | None = None) -> None:
        """Revokes one token of a device, by its id, and closes a connection that was opened with it.

        `expires_at`: when the token expires. Until then the service remembers the id; without it, until all tokens of
        the device are revoked.
        """
        path = f"v1/devices/{checked_device(device)}/tokens/{checked_token_id(token_id)}"
        query = {} if expires_at is None else {"expires_at": write_time(expires_at)}
        await self._ask("DELETE", path, query=query)

    def inbox(self, device: str, *, payload: bool = False) -> AsyncIterator[WaitingMessage]:
        """The messages that wait for a device. Reading changes nothing. `payload`: with their payloads."""

        def read(json: dict[str, Any]) -> WaitingMessage:
            return read_waiting(json, _payload.decode(json) if "payload" in json else None)

        path = f"v1/devices/{checked_device(device)}/inbox"
        return self._pages(path, "messages", read, {"payload": payload})

    async def create_hook(
        self,
        device: str,
        to: Target | str,
        *,
        ttl: int | None = None,
        urgency: Urgency | None = None,
        topic: str | None = None,
        name: str | None = None,
        template: Literal["raw", "text", "github", "grafana"] | None = None,
    ) -> str:
        """A URL that publishes as this device, to `to`, what is posted to it. Whoever has the URL can use it."""
        found = target(to)
        terms: dict[str, object] = {"to": {found.kind: found.name}}
        given = {"ttl": ttl, "urgency": urgency, "topic": topic, "name": name, "template": template}
        terms.update({field: value for field, value in given.items() if value is not None})
        answer = await self._ask("POST", f"v1/devices/{checked_device(device)}/hooks", body=terms)
        return _understood(lambda: str(answer.json()["url"]))

    async def revoke_hooks(self, device: str) -> None:
        """Revokes all hooks of a device made so far."""
        await self._ask("DELETE", f"v1/devices/{checked_device(device)}/hooks")

    # Tags

    def tags(self) -> AsyncIterator[TagEntry]:
        """All tags, by name."""
        return self._pages("v1/tags", "tags", lambda json: TagEntry(json["tag"], json["devices"]), {})

    def tag(self, tag: str, *, presence: bool = False) -> AsyncIterator[TagMember]:
        """The devices of a tag, by name. `presence`: with whether each is online, which asks each."""

        def read(json: dict[str, Any]) -> TagMember:
            return TagMember(json["device"], json.get("online"))

        return self._pages(f"v1/tags/{checked_tag(tag)}", "devices", read, {"presence": presence})

    async def bind(self, tag: str, device: str) -> None:
        """Binds a device to a tag. It applies to every publish from now on."""
        await self._ask("PUT", f"v1/tags/{checked_tag(tag)}/devices/{checked_device(device)}")

    async def unbind(self, tag: str, device: str) -> None:
        """Unbinds a device from a tag. It applies to every publish from now on."""
        await self._ask("DELETE", f"v1/tags/{checked_tag(tag)}/devices/{checked_device(device)}")

    async def join(self, tag: str) -> None:
        """Binds this device to a tag. Its token must have a pattern of the tag in its `tags`."""
        await self.bind(tag, await self._subject())

    async def leave(self, tag: str) -> None:
        """Unbinds this device from a tag. Its token must have a pattern of the tag in its `tags`."""
        await self.unbind(tag, await self._subject())

    # The service

    def failures(
        self,
        *,
        since: datetime | int | None = None,
        state: State | None = None,
        tag: str | None = None,
        device: str | None = None,
        sender: str | None = None,
    ) -> AsyncIterator[Failure]:
        """The failed deliveries of all senders, newest first. For the operator."""
        query = {"since": _milliseconds(since), "state": state, "tag": tag, "device": device, "sender": sender}
        return self._pages("v1/failures", "failures", read_failure, query)

    async def overview(self) -> Overview:
        """Counts of the whole service. For the operator."""
        answer = await self._ask("GET", "v1/overview")
        return _understood(lambda: read_overview(answer.json()))

    async def version(self) -> str:
        """The service's version. Needs no valid credential."""
        answer = await self._ask("GET", "health")
        return _understood(lambda: str(answer.json()["version"]))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        wait: float = 0,
    ) -> Answer:
        content = None
        if body is not None:
            headers = {**(headers or {}), "content-type": "application/json"}
            content = _json.write(body).encode()
        return await self._http.request(
            method, path, query=query, headers=headers, content=content, wait=wait, timeout=self._timeout
        )

    async def _pages(
        self, path: str, member: str, read: Callable[[dict[str, Any]], T], query: Mapping[str, object]
    ) -> AsyncIterator[T]:
        """Every entry of a list, whose pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            answer = await self._ask("GET", path, query={**query, "cursor": cursor})

            def page(answer: Answer = answer) -> tuple[list[T], str | None]:
                json = answer.json()
                return [read(each) for each in json[member]], json.get("next")

            entries, cursor = _understood(page)
            for entry in entries:
                yield entry
            if cursor is None:
                return

    async def _subject(self) -> str:
        """The device that the token speaks for (RFC 7519, section 4.1.2)."""
        subject = claims(await self._tokens.get()).get("sub")
        if not isinstance(subject, str):
            raise ValueError("token must be a device's token, not the admin key")
        return subject


def _understood(read: Callable[[], T]) -> T:
    """What an answer says, if it is one of tagpost: something else may answer at this address."""
    try:
        return read()
    except TagpostError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Unreachable("unreachable", "the answer does not come from tagpost") from error


def _grant(
    publish: Sequence[str] | None, tags: Sequence[str] | None, webhook: bool, expires_in: int | None
) -> dict[str, object]:
    for field, patterns in (("publish", publish), ("tags", tags)):
        if isinstance(patterns, str):
            raise TypeError(f"{field} must be a list of patterns, not a string")
    given = {"publish": publish, "tags": tags, "webhook": webhook or None, "expires_in": expires_in}
    return {field: value for field, value in given.items() if value is not None}


def _key(key: str | None) -> str:
    return secrets.token_hex(16) if key is None else _header("key", key)


def _header(field: str, value: str) -> str:
    """A value that a header can carry."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ValueError(f"{field} must consist of printable ASCII characters")
    return value


def _whole(field: str, seconds: int) -> int:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= 60:
        raise ValueError(f"{field} must be a whole number from 0 to 60")
    return seconds


def _milliseconds(time: datetime | int | None) -> int | None:
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        raise ValueError("a datetime must have a time zone: datetime.now(timezone.utc), for example")
    return round(time.timestamp() * 1000)
