"""Devices that work on a message, handlers, and messages that end meanwhile."""

from __future__ import annotations

import asyncio
import logging

import pytest

import tagpost
from conftest import Opened
from support import LIMIT, Relay, change, next_message, outcome, settled, until, within
from tagpost import DeliveryStep, InProgress, Message, Progress, Reject

pytestmark = pytest.mark.anyio


async def test_a_job_that_takes_longer_than_the_time_to_acknowledge_is_started_once(
    relay: Relay, opened: Opened
) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "dig", wait=0)).id
    messages = receiver.messages(progress=Progress(60, "digging"))
    message = await within("the message", messages.__anext__())
    trace = await until("it in progress", lambda: sender.trace(id), lambda trace: "in_progress" in trace.summary)
    step = trace.timeline[-1]
    assert isinstance(step, DeliveryStep)
    assert (step.event, step.note) == ("in_progress", "digging")

    # Another connection does not get it while it is in progress.
    await receiver.close()
    again = await opened.device(b)
    last = (await sender.publish(b.address, "and this", wait=0)).id
    assert (await next_message(again)).id == last
    assert (await sender.trace(id)).deliveries[0].attempts == step.attempt
    with pytest.raises(ValueError, match="seconds must be a whole number from 1 to 86400"):
        message.progress(0)
    with pytest.raises(ValueError, match="note must be at most 256 characters"):
        message.progress(note="x" * 257)


async def test_a_sender_sees_who_works_on_its_message(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender, receiver = await opened.device(a), await opened.device(b)
    await sender.online(LIMIT)
    told = asyncio.create_task(change(sender, InProgress))
    id = (await sender.publish(b.address, "dig", wait=0)).id
    message = await next_message(receiver)
    message.progress(60, "digging")
    progress = await told
    assert (progress.id, progress.device, progress.note) == (id, b.name, "digging")
    assert progress.until > message.sent_at


async def test_a_message_that_ends_elsewhere_ends_its_work(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    ids = [(await sender.publish(b.address, n, wait=0)).id for n in range(2)]
    message = await next_message(receiver)
    with message.working():
        await until("both to have come", lambda: asyncio.sleep(0, receiver.waiting), lambda waiting: waiting == 1)
        # What is told of the first is told after what is told of the second.
        for id in reversed(ids):
            await sender.cancel(id)
        withdrawal = await within("the withdrawal", message.withdrawn())
    assert message.is_withdrawn and withdrawal.code == "cancelled"
    # An answer comes too late, and the other message is not even shown.
    with pytest.raises(tagpost.Withdrawn):
        await within("the answer", message.ack("done"))
    last = (await sender.publish(b.address, 3, wait=0)).id
    assert (await next_message(receiver)).id == last
    assert (await settled(sender, ids[0])).summary == {"cancelled": 1}


async def test_the_end_of_a_message_that_an_earlier_client_had_is_told(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    first, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "ask somebody", wait=0)).id
    (await next_message(first)).progress(60)
    await until("it in progress", lambda: sender.trace(id), lambda trace: "in_progress" in trace.summary)
    await first.close()
    second = await opened.device(b)
    told = asyncio.create_task(change(second, tagpost.MessageWithdrawn))
    await second.online(LIMIT)
    await sender.cancel(id)
    assert await told == tagpost.MessageWithdrawn(id, "cancelled")


async def test_a_handler_is_cancelled_when_its_message_is_withdrawn(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    begun: asyncio.Queue[str] = asyncio.Queue()
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def dig(message: Message) -> object:
        begun.put_nowait(message.id)
        try:
            if message.payload == "dig":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.put_nowait(message.id)
            raise
        return {"dug": message.payload}

    listening = asyncio.create_task(receiver.listen(dig))
    id = (await sender.publish(b.address, "dig", wait=0)).id
    assert await within("the work", begun.get()) == id
    await sender.cancel(id)
    assert await within("the end of the work", ended.get()) == id
    # The next message is dealt with.
    assert outcome(await sender.publish(b.address, "less", wait=20)) == [("delivered", {"dug": "less"})]
    await receiver.close()
    await within("the end", listening)


async def test_a_handler_answers_with_what_it_returns_or_raises(
    relay: Relay, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    await receiver.online(LIMIT)

    def handle(message: Message) -> object:
        if message.payload == "reject":
            raise Reject("not at home")
        if message.payload == "fail":
            raise LookupError("a secret")
        if message.payload == "reply with what is not JSON":
            return object()
        return None if message.payload == "no reply" else message.payload

    listening = asyncio.create_task(receiver.listen(handle))
    for payload, expected in (
        ("a reply", ("delivered", "a reply")),
        ("no reply", ("delivered", None)),
        ("reject", ("rejected", "not at home")),
        ("fail", ("rejected", "the handler failed: LookupError")),
        ("reply with what is not JSON", ("rejected", "the handler failed: TypeError")),
    ):
        assert outcome(await sender.publish(b.address, payload, wait=20)) == [expected]
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.name for record in failures] == ["tagpost", "tagpost"]
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def test_messages_are_dealt_with_in_parallel_and_come_back_if_the_listening_ends(
    relay: Relay, opened: Opened
) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    begun: asyncio.Queue[object] = asyncio.Queue()

    async def wait(message: Message) -> None:
        begun.put_nowait(message.payload)
        await asyncio.Event().wait()

    listening = asyncio.create_task(receiver.listen(wait, parallel=2))
    for n in range(3):
        await sender.publish(b.address, n, wait=0)
    assert [await within("the work", begun.get()) for _ in range(2)] == [0, 1]
    await until("the third to wait", lambda: asyncio.sleep(0, receiver.waiting), lambda waiting: waiting == 1)
    assert begun.empty()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    messages = receiver.messages()
    seen = [(await within("a message", messages.__anext__())).payload for _ in range(3)]
    assert sorted(map(str, seen)) == ["0", "1", "2"]
