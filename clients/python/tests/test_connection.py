"""A connection comes back from whatever breaks it, and ends where coming back would be wrong."""

from __future__ import annotations

import asyncio
import traceback

import pytest

import tagpost
from conftest import Opened
from support import KEEPALIVE, LIMIT, Network, Relay, change, fresh, mint, next_message, until, within
from tagpost import Ended, Offline, Online, TakenOver, Unauthorized

pytestmark = pytest.mark.anyio
#: Longer than any first pause: who comes back has come back by then.
PAUSE = 1.5
#: Seconds within which a close has to be done.
CLOSED = 5.0


async def test_a_silent_connection_is_replaced(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    await receiver.online(LIMIT)
    line.freeze()
    assert (await change(receiver, Offline)).reason == "no answer to a ping"
    await receiver.online(LIMIT)
    await sender.publish(b.address, "x", wait=0)
    assert (await next_message(receiver)).payload == "x"


async def test_a_token_that_is_refused_is_an_error(relay: Relay, opened: Opened) -> None:
    (revoked,) = await relay.devices(1)
    async with relay.operator() as operator:
        await operator.revoke_tokens(revoked.name)
    for token in (revoked.token, mint("another key", sub=revoked.name)):
        line = await opened.network()
        device = await opened.device(token, line.url)
        messages = asyncio.create_task(device.messages().__anext__())
        ended = await change(device, Ended)
        assert isinstance(ended.error, Unauthorized) and ended.error.status == 401
        with pytest.raises(Unauthorized) as seen:
            await within("the end of the messages", messages)
        assert token not in "".join(traceback.format_exception(seen.value)) + repr(ended)
        with pytest.raises(Unauthorized):
            await device.publish("@x", 1)
        with pytest.raises(Unauthorized):
            await device.online(LIMIT)
        handshakes = line.handshakes
        await asyncio.sleep(PAUSE)
        assert line.handshakes == handshakes == 1


async def test_one_token_is_revoked_and_the_others_stay_valid(relay: Relay) -> None:
    name = fresh("device")
    async with relay.operator() as operator:
        one, other = [await operator.put_device(name, expires_in=600) for _ in range(2)]
        assert one.token_id is not None and one.expires_at is not None
        await operator.revoke_token(name, one.token_id, expires_at=one.expires_at)
        for wrong in ("a/b", "", ".."):
            with pytest.raises(ValueError, match="token_id"):
                await operator.revoke_token(name, wrong)
    async with tagpost.Client(relay.url, one.token) as client:
        with pytest.raises(Unauthorized):
            await client.device(name)
    async with tagpost.Client(relay.url, other.token) as client:
        assert (await client.device(name)).device == name


async def test_a_token_revoked_while_connected_is_an_error_and_not_a_loop(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    await sender.publish(b.address, "x", wait=0)
    message = await next_message(receiver)
    ended = asyncio.create_task(change(receiver, Ended))
    async with relay.operator() as operator:
        await operator.revoke_tokens(b.name)
    assert isinstance((await ended).error, Unauthorized)
    with pytest.raises(Unauthorized):
        async for _ in receiver.messages():
            pass
    with pytest.raises(Unauthorized):
        await within("the answer", message.ack())
    await asyncio.sleep(PAUSE)
    assert line.connections == 1
    assert receiver.state == "closed"


async def test_a_second_connection_takes_over_without_a_ping_pong(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    first, sender = await opened.device(b, line.url), await opened.client(a)
    await first.online(LIMIT)
    ended = asyncio.create_task(change(first, Ended))
    await asyncio.sleep(0)
    second = await opened.device(b, line.url)
    await second.online(LIMIT)
    assert isinstance((await ended).error, TakenOver)
    with pytest.raises(TakenOver):
        await within("the end", first.listen(lambda _: None))
    await asyncio.sleep(PAUSE)
    assert line.connections == 2
    assert second.state == "online"
    await sender.publish(b.address, "x", wait=0)
    assert (await next_message(second)).payload == "x"


async def test_keep_alives_keep_a_device_online_that_says_nothing_else(relay: Relay, opened: Opened) -> None:
    (b,) = await relay.devices(1)
    device = await opened.device(b)
    await device.online(LIMIT)
    # Twice the time after which the service takes a silent device for offline.
    await asyncio.sleep(2.5 * 2 * KEEPALIVE)
    assert (await device.device(b.name)).online
    assert device.state == "online"


async def test_an_invalid_address_or_token_is_an_error_at_once_which_does_not_repeat_it() -> None:
    token = "a.b.c"
    for url, why in (
        ("relay.example", "url must begin with http"),
        ("ws://relay.example", "url must begin with http"),
        ("https://", "url must name a host"),
        ("https://a:hunter2@relay.example", "url must not hold a user name"),
        ("https://relay.example:hunter2", "a port only as a number"),
        ("https://relay.example/v1", "without the /v1 of its paths"),
        ("https://relay.example/push/v1/", "without the /v1 of its paths"),
    ):
        with pytest.raises(ValueError, match=why) as wrong:
            tagpost.connect(url, token)
        assert "hunter2" not in str(wrong.value)
    for secret in ("", "secret-admin-key", "a.b.c d", "a.b=.c"):
        with pytest.raises(ValueError) as wrong:
            tagpost.connect("https://relay.example", secret)
        assert str(wrong.value) == "token must be a device's token"
    with pytest.raises(ValueError, match="token must be a token or the admin key"):
        tagpost.Client("https://relay.example", "an admin key\n")


def test_connect_without_an_event_loop_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"tagpost\.sync needs none"):
        tagpost.connect("https://relay.example", "a.b.c")


async def is_up(line: Network, device: tagpost.Device) -> None:
    await device.online(LIMIT)


async def is_frozen(line: Network, device: tagpost.Device) -> None:
    await device.online(LIMIT)
    line.stall()


async def answers_no_handshake(line: Network, device: tagpost.Device) -> None:
    line.stall()
    await asyncio.sleep(0.1)


async def is_down_in_a_pause(line: Network, device: tagpost.Device) -> None:
    line.down()
    if device.state != "offline":
        await change(device, Offline)


async def answers_no_handshake_in_a_reconnect(line: Network, device: tagpost.Device) -> None:
    await device.online(LIMIT)
    line.stall()
    line.cut()
    await change(device, Offline)


@pytest.mark.parametrize(
    "breaks", [is_up, is_frozen, answers_no_handshake, is_down_in_a_pause, answers_no_handshake_in_a_reconnect]
)
async def test_closing_wins_in_every_state(relay: Relay, opened: Opened, breaks: object) -> None:
    a, b = await relay.devices(2)
    client = await opened.client(a)
    # It is there and answers nothing, so what is sent to it is not settled.
    silent = await opened.device(b)
    await silent.online(LIMIT)
    id = (await client.publish(b.address, "x", wait=0)).id
    line = await opened.network()
    device = await opened.device(a, line.url)
    assert callable(breaks)
    await breaks(line, device)
    messages = asyncio.create_task(anext(device.messages(), None))
    receipts = asyncio.create_task(anext(device.receipts(), None))
    trace = asyncio.create_task(device.trace(id, wait=30))
    publish = asyncio.create_task(device.publish(b.address, "y", wait=30))
    await asyncio.sleep(0.1)
    ended = asyncio.create_task(change(device, Ended))
    await asyncio.sleep(0)
    await within("it to be closed", device.close(), CLOSED)
    assert (await ended).error is None
    assert [await within("the ends", each, CLOSED) for each in (messages, receipts)] == [None, None]
    for call in (trace, publish):
        with pytest.raises(tagpost.Closed):
            await within("the call", call, CLOSED)
    with pytest.raises(tagpost.Closed):
        await device.trace(id)
    line.cut()
    line.up()
    handshakes = line.handshakes
    await asyncio.sleep(PAUSE)
    assert line.handshakes == handshakes
    await until("it offline", lambda: client.device(a.name), lambda status: not status.online)


async def test_an_answer_that_is_not_awaited_ends_silently_with_the_device(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    await sender.publish(b.address, "x", wait=0)
    message = await next_message(receiver)
    line.stall()
    message.ack("never read")
    given = message.ack()
    await receiver.close()
    with pytest.raises(tagpost.Closed):
        await within("the answer", given)


async def test_a_listener_that_fails_changes_nothing(relay: Relay, opened: Opened) -> None:
    (b,) = await relay.devices(1)
    device = await opened.device(b)

    def fail(_: Online) -> None:
        raise LookupError("of the application")

    device.on(Online, fail)
    assert await device.online(LIMIT) == b.name
