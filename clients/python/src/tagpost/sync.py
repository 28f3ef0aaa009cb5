"""The same client without an event loop: every call returns when it is done.

Each client has a thread of its own, in which the asynchronous one runs. It may be used from several threads.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar, cast

from typing_extensions import Concatenate, ParamSpec

from . import _inbox, _message, _receipts
from ._client import Client as AsyncClient
from ._device import Device as AsyncDevice
from ._device import reject
from ._errors import Reject, Withdrawn
from ._events import AnswerRefused, Ended, InProgress, MessageWithdrawn, Offline, Online
from ._http import TIMEOUT
from ._model import Receipt
from ._token import Token
from ._work import Progress

__all__ = ["Client", "Device", "Message", "connect"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound="Client")
E = TypeVar("E", Online, Offline, Ended, InProgress, AnswerRefused, MessageWithdrawn)

_log = logging.getLogger("tagpost")

#: Seconds for the thread to end.
_END_LIMIT = 5.0


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tagpost", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """What this comes to."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a listener must not call a method that waits: it would wait for itself")
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the client was closed")
        future = asyncio.run_coroutine_threadsafe(
            work if timeout is None else asyncio.wait_for(work, timeout), self._loop
        )
        try:
            return future.result()
        except BaseException:
            # Ctrl-C ends what is waited for, too.
            future.cancel()
            raise

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Calls a function that does not wait, where nothing else runs meanwhile."""
        if threading.current_thread() is self._thread:
            return function(*arguments, **named)

        async def work() -> T:
            return function(*arguments, **named)

        return self.run(work())

    def soon(self, function: Callable[[], object]) -> None:
        """Calls it without waiting for it; not at all, if the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            pass

    def future(self, work: Awaitable[T]) -> Future[T]:
        async def wait() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(wait(), self._loop)

    def end(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            # Those who wait for what the close has ended are told so; nothing is left for the others to wait for.
            if others:
                _, others = await asyncio.wait(others, timeout=0.1)
            for other in others:
                other.cancel()
            if others:
                await asyncio.wait(others, timeout=_END_LIMIT)
            await self._loop.shutdown_asyncgens()
            self._loop.call_later(0.01, self._loop.stop)

        self.soon(lambda: self._loop.create_task(end()))
        self._thread.join(_END_LIMIT)
        if not self._thread.is_alive() and not self._loop.is_closed():
            self._loop.close()


class _Blocking:
    """An asynchronous client, and the loop that it runs in."""

    _loop: _Loop
    _async: AsyncClient


def _waits(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[_Blocking, P], R]:
    """The method of a synchronous client that does what this one of an asynchronous client does."""

    @functools.wraps(method)
    def wait(self: _Blocking, *arguments: P.args, **named: P.kwargs) -> R:
        return self._loop.run(method(self._async, *arguments, **named))

    return cast(Callable[Concatenate[_Blocking, P], R], wait)


def _iterates(
    method: Callable[Concatenate[Any, P], AsyncIterator[R]],
) -> Callable[Concatenate[_Blocking, P], Iterator[R]]:
    @functools.wraps(method)
    def iterate(self: _Blocking, *arguments: P.args, **named: P.kwargs) -> Iterator[R]:
        entries = method(self._async, *arguments, **named)

        async def following() -> list[R]:
            async for entry in entries:
                return [entry]
            return []

        while entry := self._loop.run(following()):
            yield entry[0]

    return cast(Callable[Concatenate[_Blocking, P], Iterator[R]], iterate)


class Client(_Blocking):
    """A service and a credential for it, as `tagpost.Client`. Use it with `with`, or `close()` it."""

    def __init__(
        self, url: str, token: Token, *, timeout: float | None = TIMEOUT, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._loop = _Loop()
        try:
            self._async = self._loop.call(self._make, url, token, timeout=timeout, ssl_context=ssl_context)
        except BaseException:
            self._loop.end()
            raise

    _make: Callable[..., AsyncClient] = staticmethod(AsyncClient)

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it at once. What is not answered fails with `Closed`; some publishes may have been accepted."""
        if self._loop._thread.is_alive():
            self._loop.run(self._async.close())
            self._loop.end()

    publish = _waits(AsyncClient.publish)
    trace = _waits(AsyncClient.trace)
    cancel = _waits(AsyncClient.cancel)
    resend = _waits(AsyncClient.resend)
    payload = _waits(AsyncClient.payload)
    sent = _iterates(AsyncClient.sent)
    put_device = _waits(AsyncClient.put_device)
    pairing_code = _waits(AsyncClient.pairing_code)
    device = _waits(AsyncClient.device)
    devices = _iterates(AsyncClient.devices)
    delete_device = _waits(AsyncClient.delete_device)
    revoke_tokens = _waits(AsyncClient.revoke_tokens)
    revoke_token = _waits(AsyncClient.revoke_token)
    inbox = _iterates(AsyncClient.inbox)
    create_hook = _waits(AsyncClient.create_hook)
    revoke_hooks = _waits(AsyncClient.revoke_hooks)
    tags = _iterates(AsyncClient.tags)
    tag = _iterates(AsyncClient.tag)
    bind = _waits(AsyncClient.bind)
    unbind = _waits(AsyncClient.unbind)
    join = _waits(AsyncClient.join)
    leave = _waits(AsyncClient.leave)
    failures = _iterates(AsyncClient.failures)
    overview = _waits(AsyncClient.overview)
    version = _waits(AsyncClient.version)


class Message(_message.Received):
    """One message for this device, as `tagpost.Message`."""

    def __init__(self, message: _message.Message, loop: _Loop) -> None:
        self.__dict__.update(vars(message))
        self._message = message
        self._loop = loop

    def ack(self, reply: object = _message._NO_REPLY) -> Future[None]:
        """Acknowledges the message: its sender learns `delivered`. The first answer to a message counts.

        Returns at once; the answer is sent now, or after the reconnect. The `result()` of what it returns waits until the
        service has the answer; that is not necessary.
        """
        return self._loop.future(self._loop.call(self._message.ack, reply))

    def nack(self, reason: str | None = None) -> Future[None]:
        """Rejects the message: its sender learns `rejected`, and `reason`, of up to 256 characters. As `ack`."""
        return self._loop.future(self._loop.call(self._message.nack, reason))

    def progress(self, seconds: int = 60, note: str | None = None) -> None:
        """Says once that the device works on the message, which is not sent again for so many seconds."""
        self._loop.call(self._message.progress, seconds, note)

    def working(self, seconds: int = 60, note: str | None = None) -> _message.Working:
        """Keeps the message in progress until it is answered or withdrawn, or the end of a `with` block."""
        working = self._loop.call(self._message.working, seconds, note)
        return _message.Working(lambda: self._loop.soon(working.stop))

    @property
    def is_answered(self) -> bool:
        return self._message.is_answered

    @property
    def is_withdrawn(self) -> bool:
        return self._message.is_withdrawn

    @property
    def withdrawal(self) -> Withdrawn | None:
        return self._message.withdrawal

    def withdrawn(self, timeout: float | None = None) -> Withdrawn | None:
        """Waits until the message is withdrawn, `timeout` seconds at most."""
        try:
            return self._loop.run(self._message.withdrawn(), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            return None


S = TypeVar("S")


class _Iteration(Iterator[T], Generic[S, T]):
    """A loop over what an asynchronous iterator gives."""

    def __init__(
        self,
        loop: _Loop,
        items: _inbox.Messages | _receipts.SeenReceipts,
        convert: Callable[[Any], T],
        timeout: float | None,
    ) -> None:
        self._loop = loop
        self._items = items
        self._convert = convert
        self._timeout = timeout

    def __iter__(self) -> _Iteration[S, T]:
        return self

    def __next__(self) -> T:
        async def following() -> list[Any]:
            async for item in self._items:
                return [item]
            return []

        try:
            item = self._loop.run(following(), self._timeout)
        except (asyncio.TimeoutError, TimeoutError):
            item = []
        if not item:
            raise StopIteration
        return self._convert(item[0])

    def close(self) -> None:
        """The loop is over."""
        self._loop.soon(self._items.close)

    def __del__(self) -> None:
        self.close()


class Device(Client):
    """A device with a connection that is kept up, as `tagpost.Device`. `connect` makes one."""

    _async: AsyncDevice
    _make = staticmethod(AsyncDevice)

    @property
    def name(self) -> str | None:
        """The device's name, once the service has sent it."""
        return self._async.name

    @property
    def state(self) -> Literal["connecting", "online", "offline", "closed"]:
        return self._async.state

    @property
    def waiting(self) -> int:
        """How many messages have arrived and wait to be taken."""
        return self._async.waiting

    def on(self, event: type[E], call: Callable[[E], object]) -> Callable[[], None]:
        """Has `call` called with each event of this class, in the client's thread. What this returns ends that."""
        return self._async.on(event, call)

    online = _waits(AsyncDevice.online)

    def messages(self, *, progress: Progress | None = None, timeout: float | None = None) -> Iterator[Message]:
        """The messages for this device, each once, to loop over with `for`.

        The loop ends after `close()`, after `timeout` seconds without a message, if given, and raises the error with which
        the connection has ended. A message that was not answered when a loop breaks off is the first of the next one.
        """
        items = self._loop.call(self._async.messages, progress=progress)
        return _Iteration[_message.Message, Message](
            self._loop, items, lambda message: Message(message, self._loop), timeout
        )

    def receipts(self, *, timeout: float | None = None) -> Iterator[Receipt]:
        """The terminal states of messages that this device published, except those in the publish's own answer.

        A receipt counts as seen when the next one is asked for. The loop ends after `timeout` seconds without one.
        """
        items = self._loop.call(self._async.receipts)
        return _Iteration[Receipt, Receipt](self._loop, items, lambda receipt: receipt, timeout)

    def listen(self, handler: Callable[[Message], object], *, progress: Progress | None = Progress()) -> None:
        """Has `handler` deal with each message, one after the other, until `close()`. What it returns is the reply.

        A message is rejected if the handler raises `Reject`, with its reason, or any other exception, which is logged.
        A thread cannot be cancelled: a handler that takes long looks at `message.is_withdrawn`.
        """
        for message in self.messages(progress=progress):
            try:
                reply = handler(message)
                if not (message.is_answered or message.is_withdrawn):
                    _ = message.ack() if reply is None else message.ack(reply)
            except Reject as rejection:
                self._loop.call(reject, message._message, rejection.reason)
            except Exception as error:
                _log.exception("the handler failed on message %s, which is rejected", message.id)
                reason = f"the handler failed: {type(error).__name__}"
                self._loop.call(reject, message._message, reason)


def connect(
    url: str, token: Token, *, timeout: float | None = TIMEOUT, ssl_context: ssl.SSLContext | None = None
) -> Device:
    """Connects as the device whose token this is, as `tagpost.connect`. Returns at once."""
    return Device(url, token, timeout=timeout, ssl_context=ssl_context)
