"""Where the library asks: below the address that it was given, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import tagpost
from conftest import Opened
from support import LIMIT, Relay, _first, change, next_message, within
from tagpost import Offline, TooManyRequests, Unreachable

pytestmark = pytest.mark.anyio
NO_MESSAGE = "01JZZZZZZZZZZZZZZZZZZZZZZZ"

#: The head of a request; what to answer, or where to pass it on to with which path.
Serve = Callable[[str], "str | tuple[int, str]"]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[str, list[str]]]:
    """A server, of which each connection carries one request; its URL, and the paths that were asked for."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, rest = head.split(" ", 2)
            asked.append(path)
            answer = serve(head)
            if isinstance(answer, str):
                writer.write(answer.encode())
                await writer.drain()
                return
            port, path = answer
            onward, service = await asyncio.open_connection("127.0.0.1", port)
            writers.append(service)
            if "upgrade:" not in rest.lower():
                rest = rest.replace("\r\n", "\r\nConnection: close\r\n", 1).replace("Connection: keep-alive\r\n", "")
            service.write(f"{method} {path} {rest}".encode())

            async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()

            await _first(pass_on(reader, service), pass_on(onward, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked
    finally:
        listening.close()


def answers(status: str, body: str = "", *headers: str) -> str:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines) + f"\r\n\r\n{body}"


@pytest.mark.parametrize("end", ["", "/", "//", "/?not=asked#for"])
async def test_a_service_below_a_path_works(relay: Relay, end: str) -> None:
    a, b = await relay.devices(2)

    def serve(head: str) -> str | tuple[int, str]:
        path = head.split(" ")[1]
        return (relay.port, path.removeprefix("/push")) if path.startswith("/push/v1/") else answers("404 Not Found")

    async with (
        server(serve) as (url, asked),
        tagpost.connect(f"{url}/push{end}", b.token) as receiver,
        tagpost.Client(f"{url}/push{end}", a.token) as sender,
    ):
        await receiver.online(LIMIT)
        published = asyncio.create_task(sender.publish(b.address, 1, wait=10))
        message = await next_message(receiver)
        await within("the answer", message.ack("here"))
        answer = await within("the publish", published)
        assert answer.summary == {"delivered": 1}
        assert (await sender.trace(answer.id)).summary == {"delivered": 1}
        assert [path for path in asked if not path.startswith("/push/v1/")] == []


async def test_a_token_is_not_sent_to_the_target_of_a_redirect(relay: Relay) -> None:
    (a,) = await relay.devices(1)
    async with server(lambda _: answers("200 OK", "{}")) as (other, seen):
        moved = answers("307 Temporary Redirect", "", f"Location: {other}/v1/connect")
        async with server(lambda _: moved) as (url, _), tagpost.connect(url, a.token) as device:
            assert "307" in (await change(device, Offline)).reason
            with pytest.raises(Unreachable, match="redirect") as error:
                await device.trace(NO_MESSAGE)
            assert error.value.status == 307
        assert seen == []


async def test_a_proxys_answer_while_the_service_is_down_is_not_taken_for_a_refusal_of_the_token(relay: Relay) -> None:
    (a,) = await relay.devices(1)
    async with server(lambda _: answers("403 Forbidden", "<h1>maintenance</h1>")) as (url, _):
        async with tagpost.connect(url, a.token) as device:
            assert "403" in (await change(device, Offline)).reason
            assert device.state == "offline"
            with pytest.raises(Unreachable, match="does not come from tagpost"):
                await device.trace(NO_MESSAGE)


async def test_an_error_has_the_services_retry_after_in_seconds(relay: Relay) -> None:
    (a,) = await relay.devices(1)
    # A proxy may say it with a date (RFC 9110, section 10.2.3).
    for after, seconds in (("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)):
        body = '{"code":"too_many_requests","detail":"slower"}'
        busy = answers("429 Too Many Requests", body, f"Retry-After: {after}")
        async with server(lambda _, busy=busy: busy) as (url, _):  # type: ignore[misc]
            async with tagpost.Client(url, a.token, timeout=1) as client:
                with pytest.raises(TooManyRequests) as error:
                    await client.cancel(NO_MESSAGE)
                assert (error.value.status, error.value.retry_after) == (429, seconds)


async def test_what_is_no_answer_of_tagpost_is_an_error_that_says_so(relay: Relay, opened: Opened) -> None:
    (a,) = await relay.devices(1)
    for body in ("<html>", "[]", '{"id":1}', "null"):
        async with server(lambda _, body=body: answers("200 OK", body)) as (url, _):  # type: ignore[misc]
            async with tagpost.Client(url, a.token, timeout=1) as client:
                with pytest.raises(Unreachable, match="does not come from tagpost"):
                    await client.trace(NO_MESSAGE)
                with pytest.raises(Unreachable, match="does not come from tagpost"):
                    await client.put_device("x")
                with pytest.raises(Unreachable, match="does not come from tagpost"):
                    async for _ in client.devices():
                        pass
