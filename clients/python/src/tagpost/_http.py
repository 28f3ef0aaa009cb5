"""Requests to the service, each of which is answered, or fails, within a time.

A request that fails for a reason that may pass is made again until its time is over. That is safe: a publish stays one
message because of its idempotency key.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx

from . import _json
from ._backoff import Backoff
from ._errors import TagpostError, TooManyRequests, Unauthorized, Unavailable, Unreachable, problem
from ._token import Tokens

#: Seconds that an answer may take, on top of those that the service is asked to wait.
ANSWER_LIMIT = 15.0
#: Seconds for which a failing request is repeated, unless the application says otherwise.
TIMEOUT = 30.0
#: How many requests are unanswered at a time; the others wait in order.
WINDOW = 128
#: The pause before what the service could not take is sent again, and the longest that it may ask for.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_CONNECT_LIMIT = 10.0

try:
    USER_AGENT = f"tagpost-python/{version('tagpost')}"
except PackageNotFoundError:
    USER_AGENT = "tagpost-python"

T = TypeVar("T")


def tls(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """The one context of all connections of a client: without it, HTTP and the WebSocket would trust different CAs."""
    if context is None:
        context = httpx.create_ssl_context()
        with contextlib.suppress(ssl.SSLError):
            context.load_default_certs()
    return context


class Answer:
    """An answer with a status of success, read to its end."""

    def __init__(self, response: httpx.Response) -> None:
        self.content = response.content
        self.content_type = response.headers.get("content-type", "application/octet-stream")

    def json(self) -> Any:
        return _json.read(self.content)


class Http:
    def __init__(self, base: str, tokens: Tokens, context: ssl.SSLContext) -> None:
        self._base = base
        self._tokens = tokens
        self._room = asyncio.Semaphore(WINDOW)
        self._underway: set[asyncio.Future[Any]] = set()
        self._ended: TagpostError | None = None
        self._client = httpx.AsyncClient(
            verify=context,
            headers={"user-agent": USER_AGENT},
            # Each request has a limit of its own.
            timeout=httpx.Timeout(None, connect=_CONNECT_LIMIT),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            # A redirect could lead to another server than the one that the token is for.
            follow_redirects=False,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        wait: float = 0,
        timeout: float | None = TIMEOUT,
        once: bool = False,
    ) -> Answer:
        """`wait`: seconds that the service may wait; `timeout`: seconds to go on beyond that, without limit if `None`."""
        given = {name: _parameter(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self._base}{path}{'?' if given else ''}{urlencode(given)}"
        end = None if timeout is None else time.monotonic() + wait + positive(timeout)
        backoff = Backoff(0.4, 5.0)
        try:
            await asyncio.wait_for(self._room.acquire(), None if end is None else end - time.monotonic())
        except asyncio.TimeoutError:
            raise Unreachable("unreachable", "too many requests before it were not answered in time") from None
        try:
            while True:
                try:
                    return await self._attempt(method, url, headers or {}, content, wait, end)
                except (TooManyRequests, Unavailable, Unreachable) as error:
                    if once or not _may_pass(error):
                        raise
                    pause = backoff.next() if isinstance(error, Unreachable) else _PAUSE
                    pause = max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE))
                    if end is not None and time.monotonic() + pause >= end:
                        raise
                await self._race(asyncio.sleep(pause), None)
        finally:
            self._room.release()

    async def end(self, error: TagpostError) -> None:
        """Ends unanswered requests with this error, and every request from now on."""
        if self._ended is not None:
            return
        self._ended = error
        for underway in self._underway:
            underway.cancel()
        await self._client.aclose()

    async def _attempt(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        wait: float,
        end: float | None,
    ) -> Answer:
        token = await self._race(self._tokens.get(), end)
        try:
            return await self._ask(token, method, url, headers, content, wait, end)
        except Unauthorized:
            if not self._tokens.can_renew:
                raise
        token = await self._race(self._tokens.renew(token), end)
        return await self._ask(token, method, url, headers, content, wait, end)

    async def _ask(
        self,
        token: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        wait: float,
        end: float | None,
    ) -> Answer:
        limit = time.monotonic() + ANSWER_LIMIT + wait
        asked = self._client.request(
            method, url, headers={**headers, "authorization": f"Bearer {token}"}, content=content
        )
        try:
            response = await self._race(asked, limit if end is None else min(limit, end))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unreachable("unreachable", f"the service gave no answer: {error or type(error).__name__}") from error
        except httpx.InvalidURL as error:
            raise ValueError(f"url is not valid: {error}") from error
        return _read(response)

    async def _race(self, work: Awaitable[T], end: float | None) -> T:
        """What comes of this, unless the client is closed, or the time is over, before."""
        task = asyncio.ensure_future(work)
        if self._ended is not None:
            task.cancel()
            raise self._ended.with_traceback(None)
        self._underway.add(task)
        try:
            limit = None if end is None else max(0.0, end - time.monotonic())
            await asyncio.wait({task}, timeout=limit)
            if self._ended is not None:
                raise self._ended.with_traceback(None)
            if not task.done():
                raise Unreachable("unreachable", "the service gave no answer in time")
            return task.result()
        finally:
            self._underway.discard(task)
            if not task.cancel() and not task.cancelled():
                task.exception()


def positive(timeout: float) -> float:
    if not timeout > 0:
        raise ValueError("timeout must be greater than 0, or None for without limit")
    return timeout


def _parameter(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _may_pass(error: TagpostError) -> bool:
    if isinstance(error, Unreachable):
        return error.status is None or error.status >= 500
    return error.code != "outbox_full"


def _read(response: httpx.Response) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(response)
    document = _document(response.content)
    if document is not None:
        after = response.headers.get("retry-after", "")
        # A proxy may say it with a date (RFC 9110, section 10.2.3).
        retry_after = float(after) if after.isascii() and after.isdigit() else None
        raise problem(document["code"], f"{document.get('detail')}", status=status, retry_after=retry_after)
    if response.is_redirect:
        raise Unreachable("unreachable", "the service answered with a redirect, which is not followed", status=status)
    detail = f"the answer, with status {status}, does not come from tagpost"
    raise Unreachable("unreachable", detail, status=status)


def _document(content: bytes) -> dict[str, Any] | None:
    try:
        document = _json.read(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("code"), str) else None


def refusal(status: int, content: bytes) -> TagpostError | None:
    """The error with which the service refused a handshake, if it comes from tagpost."""
    document = _document(content)
    return None if document is None else problem(document["code"], f"{document.get('detail')}", status=status)
