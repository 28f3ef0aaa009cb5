"""A device's connection: one WebSocket after the other, until the application or the service ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Any

from ._backoff import Backoff
from ._errors import TagpostError, Unauthorized
from ._socket import End, Socket
from ._token import Tokens

#: After a connection that lasted at least this many seconds, the backoff starts over.
_LASTING = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: Seconds that closing may take in all.
_CLOSE_LIMIT = 4.0

_log = logging.getLogger("tagpost")


class Connection:
    def __init__(
        self,
        base: str,
        tokens: Tokens,
        context: ssl.SSLContext | None,
        *,
        frame: Callable[[dict[str, Any], str], None],
        offline: Callable[[str, float], None],
        ended: Callable[[TagpostError | None], None],
    ) -> None:
        """`frame`: told of each frame of the service, the first of a connection is `welcome`. `offline`: the reason, and
        in how many seconds the next attempt is. `ended`: there will be no further attempt.
        """
        self._url = f"ws{base.removeprefix('http')}v1/connect"
        self._tokens = tokens
        self._ssl = context
        self._frame = frame
        self._offline = offline
        self._on_ended = ended
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._socket: Socket | None = None
        self._welcomed_at: float | None = None
        #: That of the last attempt, if there was one for it.
        self._token: str | None = None
        #: The service has refused a token, and the one that was fetched then has not been taken yet.
        self._is_renewed = False
        self._is_replaced = False
        self._is_ended = False
        self._renewal: asyncio.Task[None] | None = None
        #: Kept until it is done: the loop itself would not keep it.
        self._closing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    def send(self, text: str) -> bool:
        """Whether the frame was sent. It was not while there is no connection."""
        return self._welcomed_at is not None and self._socket is not None and self._socket.send(text)

    def ping(self, on_pong: Callable[[], None]) -> bool:
        """Asks the service to confirm that it has received everything sent so far."""
        return self._welcomed_at is not None and self._socket is not None and self._socket.ping(on_pong)

    def renew(self) -> None:
        """Replaces this WebSocket with a new one."""
        if self._is_ended or self._socket is None or self._welcomed_at is None:
            return
        self._is_replaced = True
        self._welcomed_at = None
        self._closing = self._loop.create_task(self._socket.close())

    async def end(self, error: TagpostError | None = None) -> None:
        """Ends it, within seconds, whatever the network does."""
        self._finish(error)
        with contextlib.suppress(asyncio.TimeoutError):
            if self._socket is not None:
                await asyncio.wait_for(self._socket.close(), _CLOSE_LIMIT)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CLOSE_LIMIT)

    def _finish(self, error: TagpostError | None) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        self._on_ended(error)
        self._welcomed_at = None
        if self._renewal is not None:
            self._renewal.cancel()

    async def _run(self) -> None:
        while not self._is_ended:
            end = await self._connect()
            if self._is_ended:
                return
            if self._is_replaced:
                self._is_replaced = False
                continue
            is_refused = self._token is not None and isinstance(end.error, Unauthorized)
            if is_refused and self._tokens.can_renew and not self._is_renewed:
                end = await self._renew(end)
            if end.error is not None:
                return self._finish(end.error)
            if self._welcomed_at is not None and self._loop.time() - self._welcomed_at > _LASTING:
                self._backoff.reset()
            self._welcomed_at = None
            pause = self._backoff.next()
            self._offline(end.reason, pause)
            await asyncio.sleep(pause)

    async def _connect(self) -> End:
        """One connection, until it ends."""
        self._welcomed_at = self._token = None
        try:
            self._token = await self._tokens.get()
        except Exception as error:
            return _no_token(error)
        self._socket = Socket(self._url, self._token, self._ssl, self._hear)
        try:
            return await self._socket.run()
        except Exception as error:
            _log.exception("the connection failed")
            return End(f"the connection failed: {type(error).__name__}")
        finally:
            self._socket = None
            if self._renewal is not None:
                self._renewal.cancel()

    async def _renew(self, end: End) -> End:
        """Fetches another token than the one that was refused, with which the next attempt is made."""
        try:
            await self._tokens.renew(self._token)
        except Exception as error:
            return _no_token(error)
        self._is_renewed = True
        return End(end.reason)

    def _hear(self, frame: dict[str, Any], text: str) -> None:
        if self._is_ended:
            return
        if frame["type"] == "welcome":
            self._welcomed_at = self._loop.time()
            self._is_renewed = False
            self._renewal = self._loop.create_task(self._keep_valid())
        self._frame(frame, text)

    async def _keep_valid(self) -> None:
        """Replaces the connection with one of a newer token, before the service would close it."""
        socket = self._socket
        due = self._tokens.renew_in
        while socket is not None and due is not None:
            await asyncio.sleep(max(due, 0.0))
            if await self._tokens.get() != socket.token:
                return self.renew()
            due = max(self._tokens.renew_in or 0.0, 1.0)


def _no_token(error: Exception) -> End:
    """The function has failed. It ends everything if it says that there will be no further token."""
    # What the application's function says may hold a secret.
    _log.warning("there is no token: %s", type(error).__name__)
    return End(f"there is no token: {type(error).__name__}", error if isinstance(error, Unauthorized) else None)
