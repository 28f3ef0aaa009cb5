"""One WebSocket connection, from its handshake to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from . import _json
from ._errors import Forbidden, TagpostError, TakenOver, Unauthorized
from ._http import USER_AGENT, refusal

#: Seconds for the handshake and the `welcome` together.
_HANDSHAKE_LIMIT = 15.0
#: Seconds within which something has to be heard after a `ping`.
_PONG_LIMIT = 10.0
#: Seconds that a close may take.
_CLOSE_LIMIT = 2.0
#: No service sends a longer frame: six bytes for each of the largest payload, and the rest of the frame.
_LONGEST_FRAME = 8 * 1024 * 1024

_log = logging.getLogger("tagpost")
# At its most talkative level, websockets logs the header with the token.
_quiet = logging.getLogger("tagpost.websocket")
_quiet.setLevel(logging.WARNING)


class _Connect(connect):
    """A connection that does not follow where else the service is said to be: the token is not meant for there."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@dataclass
class End:
    """How a connection ended."""

    reason: str
    #: Why there is to be no other, at least not with this token.
    error: TagpostError | None = None


class Socket:
    def __init__(
        self, url: str, token: str, context: ssl.SSLContext | None, on_frame: Callable[[dict[str, Any], str], None]
    ) -> None:
        self._url = url
        self.token = token
        self._ssl = context
        self._on_frame = on_frame
        self._ws: ClientConnection | None = None
        self._reason: str | None = None
        self._is_closed = False
        self._outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        #: What to do at the next `pong`s, one for each `ping` that is not answered yet.
        self._pings: deque[Callable[[], None]] = deque()
        self._keepalive: float | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def run(self) -> End:
        """The whole connection. Cancelling it drops the connection."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _HANDSHAKE_LIMIT
        try:
            ws = await asyncio.wait_for(self._open(), _HANDSHAKE_LIMIT)
        except (asyncio.TimeoutError, TimeoutError):
            return End("the handshake was not answered in time")
        except InvalidStatus as refused:
            return _refused(refused.response.status_code, bytes(refused.response.body or b""))
        except Exception as error:
            return End(f"not connected: {error or type(error).__name__}")
        self._ws = ws
        writer = loop.create_task(self._write(ws))
        self._timers["welcome"] = loop.call_at(deadline, self._drop, "no welcome in time")
        try:
            self.ping()
            async for text in ws:
                self._hear(text)
        except ConnectionClosed:
            pass
        finally:
            for timer in self._timers.values():
                timer.cancel()
            writer.cancel()
            ws.transport.abort()
        code, reason = ws.close_code, ws.close_reason
        if code == 4401:
            return End("the token is no longer valid", Unauthorized("unauthorized", "the token is no longer valid"))
        if code == 4409:
            detail = "a newer connection of this device took over"
            return End(detail, TakenOver("taken_over", detail))
        return End(self._reason or reason or f"closed with {code}")

    def ping(self, on_pong: Callable[[], None] = lambda: None) -> bool:
        """Sends a ping, and drops the connection if the service does not answer. Returns whether it was sent.

        `on_pong` is called once the service has answered, so that all that was sent before has come to it.
        """
        if not self.send("ping"):
            return False
        self._pings.append(on_pong)
        if "silence" not in self._timers:
            self._timer("silence", _PONG_LIMIT, lambda: self._drop("no answer to a ping"))
        return True

    def send(self, text: str) -> bool:
        """Sends a text. Returns `False` if the connection is not open."""
        if self._ws is None or self._reason is not None or self._is_closed:
            return False
        self._outgoing.put_nowait(text)
        return True

    async def close(self) -> None:
        """Closes it; what was sent before still goes out, if the network takes it at once."""
        self._is_closed = True
        self._outgoing.put_nowait(None)
        ws = self._ws
        if ws is None:
            return
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._outgoing.join(), _CLOSE_LIMIT / 2)
            await asyncio.wait_for(ws.close(), _CLOSE_LIMIT / 2)
        ws.transport.abort()

    async def _open(self) -> ClientConnection:
        return await _Connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self.token}"},
            subprotocols=["tagpost.v1"],  # type: ignore[list-item]
            user_agent_header=USER_AGENT,
            ssl=self._ssl,
            open_timeout=None,
            close_timeout=_CLOSE_LIMIT / 2,
            # The service answers `ping` as a text without waking up; pings of the protocol it would not see.
            ping_interval=None,
            max_size=_LONGEST_FRAME,
            compression=None,
            logger=_quiet,
        )

    async def _write(self, ws: ClientConnection) -> None:
        while True:
            text = await self._outgoing.get()
            try:
                if text is not None:
                    await ws.send(text)
            except ConnectionClosed:
                return
            finally:
                self._outgoing.task_done()

    def _hear(self, text: str | bytes) -> None:
        self._cancel("silence")
        if text == "pong":
            if self._pings:
                self._pings.popleft()()
            return
        try:
            if not isinstance(text, str):
                raise ValueError("a frame of bytes")
            frame = _json.read(text)
            if frame["type"] == "welcome":
                self._cancel("welcome")
                self._keepalive = float(frame["keepalive"])
                self._keep_alive()
            self._on_frame(frame, text)
        except Exception:
            _log.exception("a frame of the service was not understood")
            self._drop("a frame that was not understood")

    def _keep_alive(self) -> None:
        assert self._keepalive is not None

        def again() -> None:
            self.ping()
            self._keep_alive()

        self._timer("keepalive", self._keepalive, again)

    def _timer(self, name: str, seconds: float, call: Callable[[], object]) -> None:
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, self._due, name, call)

    def _due(self, name: str, call: Callable[[], object]) -> None:
        self._timers.pop(name, None)
        call()

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _drop(self, reason: str) -> None:
        """The other side is gone, so that nothing is said to it any more."""
        if self._reason is None:
            self._reason = reason
            if self._ws is not None:
                self._ws.transport.abort()


def _refused(status: int, content: bytes) -> End:
    """A 401 or 403 that does not come from tagpost, but from a proxy while the service is down, refuses no token."""
    error = refusal(status, content)
    if isinstance(error, (Unauthorized, Forbidden)):
        return End(error.detail, error)
    return End(error.detail if error else f"the handshake was answered with status {status}")
