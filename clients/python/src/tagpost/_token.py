"""The credential of a client: a string, or a function that gives a new one.

A token is renewed before it expires, and after the service has refused it. When it expires follows from its own `exp`
and `iat` and the time since it was fetched: the clocks of the device and the service are never compared.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Union

from ._address import claims

#: A token, or a function that gives one: `async`, or not. One that is not runs in a thread. It raises `Unauthorized` if
#: there will be none, since nobody is signed in; after any other error it is asked again.
Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]

#: Three parts of base64url, as a JWT has them (RFC 7519).
_DEVICE_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_CREDENTIAL = re.compile(r"[!-~]+")

#: Seconds that a function may take.
_LIMIT = 30.0
#: A token is renewed in the last tenth of its life, at most so many seconds before it expires, and at least so many: its
#: times are whole seconds, and it was on its way for a while.
_MARGIN, _LONGEST_MARGIN, _SHORTEST_MARGIN = 0.1, 60.0, 2.0
#: The shortest time between a token and its renewal, in seconds.
_SHORTEST = 1.0

_log = logging.getLogger("tagpost")


class Tokens:
    def __init__(self, source: Token, *, device: bool) -> None:
        """`device`: only a device's token will do, not the admin key."""
        self._pattern = _DEVICE_TOKEN if device else _CREDENTIAL
        self._what = "a device's token" if device else "a token or the admin key"
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._life: float | None = None
        self._since = 0.0
        self._source: Callable[[], str | Awaitable[str]] | None = None
        if callable(source):
            self._source = source
        else:
            self._token = self._checked(source)

    @property
    def can_renew(self) -> bool:
        return self._source is not None

    @property
    def renew_in(self) -> float | None:
        """Seconds until the token is to be renewed, if ever."""
        if self._source is None or self._life is None:
            return None
        margin = max(_SHORTEST_MARGIN, min(_LONGEST_MARGIN, self._life * _MARGIN))
        return self._since + max(_SHORTEST, self._life - margin) - time.monotonic()

    async def get(self) -> str:
        """The token to use now. Raises what the function raises, if there is no other."""
        token = self._token
        due = self.renew_in
        if token is None:
            return await self._fetch(None)
        if due is None or due > 0:
            return token
        try:
            return await self._fetch(token)
        except Exception as error:
            _log.warning("the token could not be renewed: %s", type(error).__name__)
            return token

    async def renew(self, refused: str | None) -> str:
        """Another token than one that the service has refused. Several callers fetch it once."""
        return await self._fetch(refused)

    async def _fetch(self, old: str | None) -> str:
        async with self._lock:
            if self._token is not None and self._token != old:
                return self._token
            if self._source is None:
                raise RuntimeError("the token is a string, which cannot be renewed")
            token = self._checked(await asyncio.wait_for(_call(self._source), _LIMIT))
            said = claims(token)
            issued, expires = said.get("iat"), said.get("exp")
            self._life = None
            if isinstance(issued, (int, float)) and isinstance(expires, (int, float)):
                self._life = expires - issued
            self._since = time.monotonic()
            self._token = token
            return token

    def _checked(self, token: object) -> str:
        # It is not repeated in the error: it may be a secret.
        if not isinstance(token, str) or not self._pattern.fullmatch(token):
            raise ValueError(f"token must be {self._what}")
        return token


async def _call(source: Callable[[], str | Awaitable[str]]) -> str:
    token = source() if inspect.iscoroutinefunction(source) else await asyncio.to_thread(source)
    return token if isinstance(token, str) else await token
