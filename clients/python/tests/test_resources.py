"""What the library holds is bounded, and the device's clock decides nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from conftest import Opened
from support import LIMIT, WINDOW, Relay, change, next_message, outcome, payloads, settled, until, within
from tagpost import Offline

pytestmark = pytest.mark.anyio


async def test_a_slow_consumer_holds_no_more_than_the_window(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    size = 64 * 1024
    for n in range(60):
        await sender.publish(b.address, f"{n} ".ljust(size, "x"), wait=0)

    async def unanswered() -> int:
        status = await receiver.device(b.name)
        return status.held + status.in_flight

    taken = 0
    async for message in receiver.messages():
        assert message.payload == f"{taken} ".ljust(size, "x")
        assert receiver.waiting <= WINDOW
        if taken % 20 == 10:
            # Now and then all acknowledgements have to be there, and none but those.
            await until("the acknowledgements", unanswered, lambda count: count == 60 - taken)
            id = message.id
            await until("a repeat", lambda: sender.trace(id), lambda trace: trace.deliveries[0].attempts > 1)
            assert await unanswered() == 60 - taken
        message.ack()
        taken += 1
        if taken == 60:
            break
    await until("all of them delivered", unanswered, lambda count: count == 0)
    assert [outcome(each) async for each in sender.sent()] == [[("delivered", None)]] * 60


async def test_messages_beyond_the_window_are_dropped_and_received_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    await receiver.online(LIMIT)
    # These expire while they wait to be taken and the device is not told: for the service they are out of the window.
    for n in range(WINDOW):
        await sender.publish(b.address, n, ttl=3, wait=0)
    await until("them to wait", lambda: asyncio.sleep(0, receiver.waiting), lambda waiting: waiting == WINDOW)
    line.down()
    if receiver.state != "offline":
        await change(receiver, Offline)
    await until("them expired", lambda: sender.device(a.name), lambda _: True)
    async with relay.operator() as operator:
        await until("them expired", lambda: operator.device(b.name), lambda status: status.held_bytes == 0)
    line.up()
    await receiver.online(LIMIT)
    ids = [(await sender.publish(b.address, WINDOW + n, wait=0)).id for n in range(WINDOW)]
    await until("a repeat", lambda: sender.trace(ids[0]), lambda trace: trace.deliveries[0].attempts > 1)
    assert receiver.waiting == WINDOW
    assert sorted(await payloads(receiver, 2 * WINDOW)) == list(range(2 * WINDOW))
    for id in ids:
        assert (await settled(sender, id)).summary == {"delivered": 1}


@pytest.mark.parametrize("days", [1, -1])
async def test_a_clock_that_is_wrong_changes_nothing(
    relay: Relay, opened: Opened, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    a, b = await relay.devices(2)
    right = time.time
    monkeypatch.setattr("time.time", lambda: right() + days * 86_400)
    sender, receiver = await opened.device(a), await opened.device(b)
    await receiver.online(LIMIT)
    fast = asyncio.create_task(sender.publish(b.address, "fast", ttl=60, wait=10))
    (await next_message(receiver)).ack("at once")
    assert outcome(await within("the answer", fast)) == [("delivered", "at once")]

    id = (await sender.publish(b.address, "slow", ttl=60, wait=0)).id
    (await next_message(receiver)).ack("later")
    receipt = await within("the receipt", sender.receipts().__anext__())
    assert (receipt.id, receipt.state, receipt.reply) == (id, "delivered", "later")
