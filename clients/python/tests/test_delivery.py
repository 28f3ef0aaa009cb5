"""Messages reach the application once each, and its answers reach the sender."""

from __future__ import annotations

import asyncio
import json

import pytest

import tagpost
from conftest import Opened
from support import LIMIT, Relay, change, next_message, nothing_else, outcome, payloads, settled, until, within
from tagpost import Offline, Online, Target

pytestmark = pytest.mark.anyio


def nested(levels: int) -> object:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


async def test_a_publish_is_answered_with_the_reply_of_the_device(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.device(a)
    assert await receiver.online(LIMIT) == b.name
    published = asyncio.create_task(sender.publish(b.address, {"ring": 1}, wait=10, topic="door"))
    message = await next_message(receiver)
    assert (message.sender, message.to, message.payload, message.topic) == (
        a.name,
        Target.device(b.name),
        {"ring": 1},
        "door",
    )
    message.ack({"opened": True})
    answer = await within("the answer", published)
    assert answer.id == message.id
    assert outcome(answer) == [("delivered", {"opened": True})]
    assert answer.summary == {"delivered": 1}


async def test_a_rejected_message_carries_its_reason(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    await receiver.online(LIMIT)
    published = asyncio.create_task(sender.publish(Target.tag(await relay.tag(b)), 1, wait=10))
    (await next_message(receiver)).nack("not at home")
    assert outcome(await within("the answer", published)) == [("rejected", "not at home")]


async def test_payloads_arrive_as_they_were_sent(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    large = bytes(range(256)) * 400
    sent = [{"a": [1, None]}, [1, 2], None, 1.5, False, 2**70, "hé\n", "", b"\x00\xff\x80", large, "\ud83d\udc4b"]
    sent[-1] = "👋"
    for payload in sent:
        await sender.publish(b.address, payload, wait=0)
    await sender.publish(b.address, "<b>", wait=0, content_type="text/html")
    seen = await payloads(receiver, len(sent) + 1)
    assert seen == [*sent, "<b>"]
    assert [type(each) for each in seen] == [type(each) for each in [*sent, "<b>"]]


async def test_json_can_be_had_character_for_character(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    digits = "9" * 5_000
    for text in ('{"serial": 1724442618569203714, "x": 0.10}', digits, "1e999", '"\\ud83c"'):
        await sender.publish(b.address, text, content_type="application/json", wait=0)
        message = await next_message(receiver)
        assert message.text == text
        await within("the answer", message.ack())
    await sender.publish(b.address, b"\x00", wait=0)
    assert (await next_message(receiver)).text is None
    for wrong in ('{"open":', "NaN,"):
        with pytest.raises(ValueError, match="payload must be the text of JSON"):
            await sender.publish(b.address, wrong, content_type="application/json")


async def test_a_flood_with_the_connection_cut_in_the_middle_is_shown_once_each_and_in_order(
    relay: Relay, opened: Opened
) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    taken = asyncio.create_task(payloads(receiver, 300, 90))
    ids = []
    for n in range(300):
        ids.append((await sender.publish(b.address, n, wait=0)).id)
        if n % 80 == 60:
            await receiver.online(LIMIT)
            offline = asyncio.create_task(change(receiver, Offline))
            await asyncio.sleep(0)
            line.cut()
            await offline
    assert await taken == list(range(300))
    for n, id in enumerate(ids):
        assert outcome(await settled(sender, id)) == [("delivered", {"taken": n + 1})]
    assert line.connections > 3
    await nothing_else(receiver, sender, b.address)


async def test_an_answer_given_while_offline_arrives_after_the_reconnect(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    message = await next_message(receiver)
    line.down()
    if receiver.state != "offline":
        await change(receiver, Offline)
    message.ack("late")
    message.nack("a second answer changes nothing")
    line.up()
    assert outcome(await settled(sender, id)) == [("delivered", "late")]
    await nothing_else(receiver, sender, b.address)


async def test_an_answer_that_the_service_refuses_is_an_error_and_another_may_be_given(
    relay: Relay, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    message = await next_message(receiver)
    refused = asyncio.create_task(change(receiver, tagpost.AnswerRefused))
    await asyncio.sleep(0)
    with monkeypatch.context() as patch:
        # The library itself would not send it.
        patch.setattr("tagpost._message._check_reply", lambda _: None)
        message.ack("x" * 5_000)
    told = await refused
    assert told.id == id
    assert isinstance(told.error, tagpost.BadRequest) and told.error.field == "reply"
    if message.is_answered:
        message = await next_message(receiver)
    await within("the answer", message.ack("short"))
    assert outcome(await settled(sender, id)) == [("delivered", "short")]


async def test_a_lost_answer_is_sent_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    receiver, sender = await opened.device(b, line.url), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    message = await next_message(receiver)
    line.mute()
    message.ack("lost")
    online = asyncio.create_task(change(receiver, Online))
    await asyncio.sleep(0)
    line.cut()
    await online
    assert outcome(await settled(sender, id)) == [("delivered", "lost")]
    await nothing_else(receiver, sender, b.address)


async def test_a_repeat_of_a_message_that_is_being_worked_on_is_not_shown(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    message = await next_message(receiver)
    # Once it is sent for the third time, the second has arrived.
    await until("a third attempt", lambda: sender.trace(id), lambda trace: trace.deliveries[0].attempts > 2)
    assert receiver.waiting == 0
    message.ack("done")
    assert outcome(await settled(sender, id)) == [("delivered", "done")]
    await nothing_else(receiver, sender, b.address)


async def test_a_message_at_which_a_loop_ends_is_the_first_of_the_next_loop(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    for n in range(3):
        await sender.publish(b.address, n, wait=0)
    with pytest.raises(LookupError, match="no room for 0"):
        async for message in receiver.messages():
            raise LookupError(f"no room for {message.payload}")
    async for message in receiver.messages():
        break
    assert await payloads(receiver, 3) == [0, 1, 2]


async def test_an_answer_that_cannot_be_sent_is_an_error_at_once_and_the_message_can_still_be_answered(
    relay: Relay, opened: Opened
) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    message = await next_message(receiver)
    for reply, kind, why in (
        ("x" * 4_095, ValueError, "reply must be at most 4096 bytes"),
        ("é" * 2_048, ValueError, "reply must be at most 4096 bytes"),
        (object(), TypeError, "reply must be JSON"),
        (float("nan"), TypeError, "reply must be JSON"),
        (nested(101), ValueError, "reply must have at most 100 levels"),
        (nested(100_000), ValueError, "reply must have at most 100 levels"),
    ):
        with pytest.raises(kind, match=why):
            message.ack(reply)
    for reason, why in (
        ("x" * 257, "reason must be at most 256 characters"),
        ("\ud83d", "reason is not valid Unicode"),
    ):
        with pytest.raises(ValueError, match=why):
            message.nack(reason)
    await within("the answer", message.nack("👋" * 256))
    assert outcome(await settled(sender, id)) == [("rejected", "👋" * 256)]


async def test_the_longest_reply_is_delivered(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    for reply in ("x" * 4_094, "é" * 2_047, nested(100), "\ud83c"):
        id = (await sender.publish(b.address, "x", wait=0)).id
        await within("the answer", (await next_message(receiver)).ack(reply))
        assert outcome(await settled(sender, id)) == [("delivered", json.loads(json.dumps(reply)))]


async def test_the_iteration_ends_with_close_and_earlier_answers_are_still_sent(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    receiver, sender = await opened.device(b), await opened.client(a)
    id = (await sender.publish(b.address, "x", wait=0)).id
    async for message in receiver.messages():
        message.ack("bye")
        await within("the close", receiver.close(), 5)
    assert outcome(await settled(sender, id)) == [("delivered", "bye")]
