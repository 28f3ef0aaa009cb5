"""A device of the service: a client that also listens."""

from __future__ import annotations

import asyncio
import inspect
import logging
import ssl
from collections.abc import Awaitable
from typing import Any, Callable, Literal, TypeVar, Union

from ._client import Client
from ._connection import Connection
from ._errors import Closed, Reject, TagpostError
from ._events import AnswerRefused, Ended, InProgress, MessageWithdrawn, Offline, Online
from ._http import TIMEOUT
from ._inbox import Inbox, Messages
from ._message import Message
from ._model import read_time
from ._receipts import Receipts, SeenReceipts
from ._token import Token
from ._work import Progress

Event = Union[Online, Offline, Ended, InProgress, AnswerRefused, MessageWithdrawn]
E = TypeVar("E", Online, Offline, Ended, InProgress, AnswerRefused, MessageWithdrawn)

#: Deals with a message, and gives the reply.
Handler = Callable[[Message], Union[Awaitable[object], object]]

_log = logging.getLogger("tagpost")


class Device(Client):
    """A device with a connection that is kept up. `connect` makes one."""

    _takes_devices_only = True

    def __init__(
        self, url: str, token: Token, *, timeout: float | None = TIMEOUT, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("connect() is called where an event loop runs; tagpost.sync needs none") from None
        super().__init__(url, token, timeout=timeout, ssl_context=ssl_context)
        self._name: str | None = None
        self._state: Literal["connecting", "online", "offline", "closed"] = "connecting"
        self._error: TagpostError | None = None
        self._listeners: list[tuple[type[Any], Callable[[Any], object]]] = []
        self._inbox = Inbox(
            lambda text: self._connection.send(text),
            lambda on_pong: self._connection.ping(on_pong),
            lambda message_id, error: self._tell(AnswerRefused(message_id, error)),
        )
        self._receipts = Receipts(lambda text: self._connection.send(text), lambda: self._connection.renew())
        context = self._ssl if self._base.startswith("https:") else None
        self._connection = Connection(
            self._base, self._tokens, context, frame=self._take, offline=self._offline, ended=self._ended
        )

    @property
    def name(self) -> str | None:
        """The device's name, once the service has sent it."""
        return self._name

    @property
    def state(self) -> Literal["connecting", "online", "offline", "closed"]:
        return self._state

    @property
    def waiting(self) -> int:
        """How many messages have arrived and wait to be taken. Never more than the service's window."""
        return len(self._inbox)

    def on(self, event: type[E], call: Callable[[E], object]) -> Callable[[], None]:
        """Has `call` called with each event of this class. What this returns ends that."""
        listener = (event, call)
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def online(self, timeout: float | None = None) -> str:
        """Waits until the device is online, `timeout` seconds at most, and gives its name.

        Raises the error with which the connection has ended, or `asyncio.TimeoutError`.
        """
        changed = asyncio.Event()
        forget = [self.on(Online, lambda _: changed.set()), self.on(Ended, lambda _: changed.set())]
        try:
            if self._state not in ("online", "closed"):
                await asyncio.wait_for(changed.wait(), timeout)
        finally:
            for each in forget:
                each()
        if self._state == "closed":
            raise (self._error or Closed("closed", "the client was closed")).with_traceback(None)
        return self._name or ""

    def messages(self, *, progress: Progress | None = None) -> Messages:
        """The messages for this device, each once, to loop over with `async for`.

        The loop ends after `close()`, and raises the error with which the connection has ended. Several loops share the
        messages among them. A message that was not answered when a loop breaks off is the first of the next one. A message
        that is withdrawn before it is taken is left out.

        `progress`: each message is kept in progress from the moment when it is taken until it is answered; so answer each.
        """
        return self._inbox.messages(progress)

    def receipts(self) -> SeenReceipts:
        """The terminal states of messages that this device published, except those in the publish's own answer.

        A receipt counts as seen when the next one is asked for; until then it is sent again after a restart of the
        application. One loop at a time.
        """
        return SeenReceipts(self._receipts)

    async def listen(self, handler: Handler, *, parallel: int = 1, progress: Progress | None = Progress()) -> None:
        """Has `handler` deal with each message, until `close()`. What it returns is the reply; `None` is none.

        A message is rejected if the handler raises `Reject`, with its reason, or any other exception, which is logged.
        A handler that is still at work when its message is withdrawn is cancelled. Meanwhile the message is kept in
        progress, unless `progress` is `None`. `parallel`: how many messages are dealt with at a time.
        """
        if parallel < 1:
            raise ValueError("parallel must be at least 1")
        room = asyncio.Semaphore(parallel)
        running: set[asyncio.Task[None]] = set()

        def done(task: asyncio.Task[None]) -> None:
            running.discard(task)
            room.release()

        try:
            while True:
                await room.acquire()
                message = await self._inbox.next()
                if message is None:
                    return
                task = asyncio.create_task(self._handle(handler, message, progress))
                running.add(task)
                task.add_done_callback(done)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def close(self) -> None:
        """Ends the connection, within 5 seconds, whatever the network does. What is not answered fails with `Closed`."""
        await self._http.end(Closed("closed", "the client was closed"))
        await self._connection.end()

    async def _handle(self, handler: Handler, message: Message, progress: Progress | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        forget = message._work.on_withdrawn(lambda: task.cancel())
        if progress is not None:
            message.working(progress.seconds, progress.note)
        try:
            reply = handler(message)
            if inspect.isawaitable(reply):
                reply = await reply
            if not message.is_answered:
                _ = message.ack() if reply is None else message.ack(reply)
        except asyncio.CancelledError:
            if not message.is_withdrawn:
                self._inbox.give_back(message)
                raise
        except Reject as rejection:
            reject(message, rejection.reason)
        except Exception as error:
            _log.exception("the handler failed on message %s, which is rejected", message.id)
            reject(message, f"the handler failed: {type(error).__name__}")
        finally:
            forget()

    def _take(self, frame: dict[str, Any], text: str) -> None:
        kind = frame["type"]
        if kind == "welcome":
            self._name = frame["device"]
            self._state = "online"
            self._inbox.welcome(frame["max_in_flight"])
            self._receipts.welcome()
            self._tell(Online(frame["device"]))
        elif kind == "message":
            self._inbox.take(frame, text)
        elif kind == "withdrawn":
            self._inbox.withdrawn(frame["id"], frame["reason"])
            self._tell(MessageWithdrawn(frame["id"], frame["reason"]))
        elif kind == "receipt":
            self._receipts.take(frame)
        elif kind == "progress":
            until = read_time(frame["until"])
            self._tell(InProgress(frame["id"], frame["device"], frame.get("note"), until))
        elif kind == "error" and not self._inbox.refused(frame):
            _log.warning("the service refused a frame: %s", frame.get("detail"))

    def _offline(self, reason: str, retry_in: float) -> None:
        self._state = "offline"
        self._tell(Offline(reason, retry_in))

    def _ended(self, error: TagpostError | None) -> None:
        self._state = "closed"
        self._error = error
        self._receipts.end(error)
        self._inbox.end(error)
        self._tell(Ended(error))

    def _tell(self, event: Event) -> None:
        for kind, call in list(self._listeners):
            if isinstance(event, kind):
                try:
                    call(event)
                except Exception:
                    _log.exception("a listener for %s failed", kind.__name__)


def reject(message: Message, reason: str | None) -> None:
    """Rejects the message, unless it is answered."""
    if message.is_answered:
        return
    try:
        message.nack(reason)
    except (TypeError, ValueError):
        _log.exception("the reason cannot be sent")
        message.nack("the handler rejected it")


def connect(
    url: str, token: Token, *, timeout: float | None = TIMEOUT, ssl_context: ssl.SSLContext | None = None
) -> Device:
    """Connects as the device whose token this is, and keeps the connection up until `close()`, or until the token is no
    longer valid or a newer connection of the same device takes over.

    Returns at once. Use it with `async with`, or `close()` it. The arguments are those of `Client`.
    """
    return Device(url, token, timeout=timeout, ssl_context=ssl_context)
