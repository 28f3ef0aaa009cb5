"""What the tests share: a relay, networks that they can break, devices, and waits that end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import tagpost
from tagpost import Client, Device, Message

ROOT = Path(__file__).resolve().parents[3]
ADMIN_KEY = "an-admin-key-for-tests"
TOKEN_KEY = "a-token-key-for-tests-0123456789"
PUSH_KEY = "a-push-key-for-tests-0123456789abcdef"

#: Of the relay that the tests share: short, so that a silent connection and an unanswered message are found soon.
KEEPALIVE, ACK_TIMEOUT = 2, 1
#: How many unanswered messages a connection may have.
WINDOW = 4
SHARED = {"KEEPALIVE": KEEPALIVE, "ACK_TIMEOUT": ACK_TIMEOUT, "MAX_ATTEMPTS": 100, "MAX_IN_FLIGHT": WINDOW}

#: Seconds that a test waits for one thing: longer than any pause before a reconnect in it.
LIMIT = 30.0
#: Seconds for a relay to start on a busy machine.
START = 90.0

T = TypeVar("T")
_numbers = itertools.count()


def fresh(kind: str) -> str:
    """A name that no other test uses."""
    return f"{kind}-{os.getpid()}-{next(_numbers)}"


async def within(what: str, work: Awaitable[T], limit: float = LIMIT) -> T:
    """What this comes to, or a failure that says what did not come."""
    try:
        return await asyncio.wait_for(_awaited(work), limit)
    except asyncio.TimeoutError:
        raise AssertionError(f"expected within {limit} s: {what}") from None


async def _awaited(work: Awaitable[T]) -> T:
    return await work


async def until(what: str, ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], limit: float = LIMIT) -> T:
    """Asks until the answer holds, for what no event announces."""
    end = time.monotonic() + limit
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        assert time.monotonic() < end, f"expected within {limit} s: {what}; last seen: {answer}"
        await asyncio.sleep(0.05)


class Relay:
    """The built Worker on workerd, as a process of its own, which can be killed."""

    def __init__(self, variables: Mapping[str, object], port: int | None = None) -> None:
        """`port`: of one that runs already, for another process."""
        self._process: subprocess.Popen[str] | None = None
        if port is not None:
            self._port = port
            return
        self._state = tempfile.mkdtemp(prefix="tagpost-python-")
        self._port = _free_port()
        self._bindings = {"ADMIN_KEY": ADMIN_KEY, "TOKEN_KEY": TOKEN_KEY, "PUSH_KEY": PUSH_KEY}
        self._bindings.update({name: str(value) for name, value in variables.items()})
        self.start()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it on the storage it had before, and waits until it is ready."""
        assert (ROOT / "build/entry.js").exists(), "there is no built Worker; run cargo xtask build"
        node = ROOT / "node_modules/.bin/node"
        self._process = process = subprocess.Popen(
            [str(node) if node.exists() else "node", "xtask/relay.ts"],
            cwd=ROOT,
            env={**os.environ, "WRANGLER_LOG": "error"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        settings = {"port": self._port, "state": self._state, "bindings": self._bindings}
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        lines: queue.Queue[str | None] = queue.Queue()
        # It reads to the end, since a full pipe would stop the relay.
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        said: list[str] = []
        while (line := lines.get(timeout=START)) != "ready\n":
            assert line is not None, f"the relay ended: {''.join(said)}"
            said.append(line)

    def kill(self) -> None:
        """Kills it and everything it started in one moment, and waits until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        end = time.monotonic() + LIMIT
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) != 0:
                    return
            assert time.monotonic() < end, f"something still listens on port {self._port}"
            time.sleep(0.02)

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._state, ignore_errors=True)

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Client]:
        async with Client(self.url, ADMIN_KEY) as client:
            yield client

    async def devices(self, count: int, **grant: Any) -> list[Credentials]:
        """New devices."""
        async with self.operator() as operator:
            made = [await operator.put_device(fresh("device"), **grant) for _ in range(count)]
        return [Credentials(each.device, each.token) for each in made]

    async def tag(self, *devices: Credentials) -> str:
        """A new tag, bound to these devices."""
        tag = fresh("tag")
        async with self.operator() as operator:
            for device in devices:
                await operator.bind(tag, device.name)
        return tag


class Credentials:
    """A device of the relay."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.token = token

    @property
    def address(self) -> str:
        return f"@{self.name}"


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.put(line)
    except ValueError:
        pass
    lines.put(None)


def _free_port() -> int:
    """A port that nothing listens on, and that the system gives to nobody who takes any port."""
    for number in itertools.count(os.getpid()):
        port = 20_000 + number % 12_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError


class Network:
    """A network between a client and the relay that a test can break: TCP, passed on byte by byte."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._target = port
        self._lines: set[_Line] = set()
        self._is_down = False
        self._is_stalled = False
        self._server: asyncio.Server | None = None
        #: How many connections were ever made over it, and how many of them began with the handshake of a WebSocket.
        self.connections = 0
        self.handshakes = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, port: Callable[[], int]) -> AsyncIterator[Network]:
        network = cls(port)
        network._server = await asyncio.start_server(network._serve, "127.0.0.1", 0)
        try:
            yield network
        finally:
            network._server.close()
            network.cut()
            await asyncio.gather(*(line.task for line in network._lines), return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Breaks all connections; new ones can be made."""
        for line in self._lines:
            line.task.cancel()

    def down(self) -> None:
        """Breaks all connections and every new one, until it is up again."""
        self._is_down = True
        self.cut()

    def stall(self) -> None:
        """Freezes all connections and every new one, which is taken and never answered, until it is up again."""
        self._is_stalled = True
        self.freeze()

    def up(self) -> None:
        self._is_down = self._is_stalled = False

    def mute(self) -> None:
        """Swallows what the clients of the present connections say from now on."""
        for line in self._lines:
            line.is_mute = True

    def freeze(self) -> None:
        """Swallows what both sides of the present connections say from now on, and closes nothing."""
        for line in self._lines:
            line.is_mute = line.is_deaf = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        line = _Line(task, self._is_stalled)
        self._lines.add(line)
        writers = [writer]
        try:
            if self._is_down:
                return
            onward, service = await asyncio.open_connection("127.0.0.1", self._target())
            writers.append(service)
            await _first(self._pass(reader, service, line, True), self._pass(onward, writer, line, False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(line)
            for each in writers:
                each.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: _Line, is_client: bool
    ) -> None:
        is_first = is_client
        while data := await source.read(65_536):
            if is_first:
                self.handshakes += b"/v1/connect " in data
                is_first = False
            if not (line.is_mute if is_client else line.is_deaf):
                sink.write(data)
                await sink.drain()


class _Line:
    def __init__(self, task: asyncio.Task[Any], is_stalled: bool) -> None:
        self.task = task
        self.is_mute = self.is_deaf = is_stalled


async def _first(*work: Awaitable[None]) -> None:
    """Until one of them is done."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def mint(key: str = TOKEN_KEY, **said: Any) -> str:
    """A token as an operator's own backend would mint it (RFC 7519)."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'iat': int(time.time()), **said})}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


E = TypeVar("E")


async def change(device: Device, event: type[E]) -> E:
    """The next event of this class."""
    told: asyncio.Future[E] = asyncio.get_running_loop().create_future()

    def tell(each: E) -> None:
        if not told.done():
            told.set_result(each)

    forget = device.on(event, tell)  # type: ignore[type-var]
    try:
        return await within(f"{event.__name__} of a device that is {device.state}", told)
    finally:
        forget()


async def next_message(device: Device) -> Message:
    """The next message. It is the test's to answer."""
    message = await within("a message", device._inbox.next())
    assert message is not None, "expected a message, but the device is closed"
    return message


async def payloads(device: Device, count: int, limit: float = 2 * LIMIT) -> list[Any]:
    """The payloads of the next messages, each acknowledged with how many there were."""
    seen: list[Any] = []

    async def take() -> None:
        async for message in device.messages():
            seen.append(message.payload)
            message.ack({"taken": len(seen)})
            if len(seen) == count:
                return

    try:
        await within(f"{count} messages", take(), limit)
    except AssertionError as error:
        raise AssertionError(f"{error}; seen: {len(seen)}, {seen[:100]}") from None
    return seen


async def settled(client: Client, id: str) -> tagpost.Trace:
    trace = await within("the trace", client.trace(id, wait=20))
    assert all(each.is_terminal for each in trace.deliveries), f"expected terminal states, but {trace}"
    return trace


def outcome(published: tagpost.Published) -> list[tuple[str, Any]]:
    """State, and reply or reason, of each delivery."""
    return [(each.state, each.reason if each.reply is None else each.reply) for each in published.deliveries]


async def nothing_else(receiver: Device, sender: Client, to: str) -> None:
    """No other message comes: one that is published now is the next."""
    end = await sender.publish(to, "the end", wait=0)
    message = await next_message(receiver)
    assert message.id == end.id, f"expected no further message, but {message} with {message.payload!r}"
    await within("the answer", message.ack())
