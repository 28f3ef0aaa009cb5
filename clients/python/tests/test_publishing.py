"""A publish is one message however often it has to be sent, and its sender learns what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone

import httpx
import pytest

import tagpost
from conftest import Opened
from support import (
    LIMIT,
    Credentials,
    Relay,
    fresh,
    next_message,
    outcome,
    payloads,
    settled,
    until,
    within,
)
from tagpost import BadRequest, Conflict, EscalationStep, Forbidden, NotFound, Target
from tagpost._address import claims

pytestmark = pytest.mark.anyio


async def late(opened: Opened, a: Credentials, b: Credentials, reply: object) -> str:
    """A message that B acknowledges after its publish was answered, so that a receipt is due to A."""
    sender = await opened.client(a)
    id = (await sender.publish(b.address, {}, wait=0)).id
    async with tagpost.connect(opened._relay.url, b.token) as receiver:
        await within("the answer", (await next_message(receiver)).ack(reply))
        await settled(sender, id)
    return id


async def next_receipt(device: tagpost.Device) -> tagpost.Receipt:
    return await within("a receipt", device.receipts().__anext__())


async def test_publishes_with_the_connection_cut_in_the_middle_stay_one_message_each(
    relay: Relay, opened: Opened
) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    sender, receiver = await opened.client(a, line.url), await opened.device(b)
    taken = asyncio.create_task(payloads(receiver, 200, 90))
    answers = [asyncio.create_task(sender.publish(b.address, n, wait=0, timeout=90)) for n in range(200)]
    for n in (5, 60, 120):
        await within(f"publish {n}", asyncio.shield(answers[n]))
        line.cut()
    published = await within("200 answers", asyncio.gather(*answers), 90)
    assert len({each.id for each in published}) == 200
    assert sorted(await taken) == list(range(200))
    end = await sender.publish(b.address, "the end", wait=0)
    assert (await next_message(receiver)).id == end.id


async def test_a_publish_made_while_offline_is_sent_after_the_reconnect(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    line = await opened.network()
    line.down()
    sender = await opened.client(a, line.url)
    answer = asyncio.create_task(sender.publish(b.address, "x", wait=0))
    await until("an attempt", lambda: asyncio.sleep(0, line.connections), lambda connections: connections > 0)
    line.up()
    assert (await within("the answer", answer)).summary == {"held": 1}


async def test_a_publish_ends_with_its_time(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    down, stalled = await opened.network(), await opened.network()
    down.down()
    stalled.stall()
    for line in (down, stalled):
        sender = await opened.client(a, line.url)
        began = time.monotonic()
        with pytest.raises(tagpost.Unreachable):
            await within("its end", sender.publish(b.address, "x", wait=0, timeout=1), 10)
        assert time.monotonic() - began < 10
    async with relay.operator() as operator:
        assert (await operator.device(b.name)).held == 0


async def test_a_refused_publish_is_an_error_that_says_why(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender = await opened.client(a)
    with pytest.raises(NotFound) as unknown:
        await sender.publish(fresh("tag"), 1)
    assert (unknown.value.code, unknown.value.status) == ("unknown_tag", 404)
    with pytest.raises(NotFound, match="unknown_device"):
        await sender.publish("@nobody-at-all", 1)
    for field, wrong in (("TTL", {"ttl": -1}), ("Topic", {"topic": "a b"}), ("Urgency", {"urgency": "now"})):
        with pytest.raises(BadRequest) as refused:
            await sender.publish(b.address, 1, **wrong)
        assert refused.value.field == field, refused.value.detail
    with pytest.raises(BadRequest, match="payload_too_large"):
        await sender.publish(b.address, "x" * 300_000)
    # What no service would take is not even sent.
    naive = datetime.now()
    cases: tuple[tuple[Callable[[], Awaitable[object]], type[Exception], str], ...] = (
        (lambda: sender.publish(b.address, object()), TypeError, "payload must be JSON, a string or bytes"),
        (lambda: sender.publish(b.address, "\ud83d"), ValueError, "payload is not valid Unicode"),
        (lambda: sender.publish(b.address, 1, topic="a\r\nb: c"), ValueError, "topic must consist of printable"),
        (lambda: sender.publish(b.address, 1, key="é"), ValueError, "key must consist of printable"),
        (lambda: sender.publish(b.address, 1, wait=61), ValueError, "wait must be a whole number from 0 to 60"),
        (lambda: sender.publish(b.address, 1, deliver_at=naive), ValueError, "a datetime must have a time zone"),
        (lambda: sender.publish("..", 1), ValueError, "to must be a tag"),
        (lambda: sender.publish("@a/b", 1), ValueError, "to must be a device's name"),
        (lambda: sender.publish(None, 1), TypeError, "to must be a string or a Target"),  # type: ignore[arg-type]
        (lambda: sender.trace("../devices"), ValueError, "id must be the id of a message"),
    )
    for call, kind, why in cases:
        with pytest.raises(kind, match=why):
            await call()
    assert (await sender.publish(b.address, "small", wait=0)).summary == {"held": 1}


async def test_a_key_of_the_applications_own_makes_one_message_of_two_publishes(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender = await opened.client(a)
    first, second = await asyncio.gather(*(sender.publish(b.address, "x", key="k", wait=0) for _ in range(2)))
    assert first.id == second.id
    with pytest.raises(Conflict, match="idempotency_mismatch"):
        await sender.publish(b.address, "y", key="k")


async def test_a_message_can_be_traced_listed_and_cancelled(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender = await opened.client(a)
    id = (await sender.publish(b.address, {"ring": 1}, wait=0)).id
    assert (await sender.trace(id)).summary == {"held": 1}
    payload = await sender.payload(id)
    assert (payload.content, payload.content_type) == (b'{"ring":1}', "application/json")
    assert [each.id async for each in sender.sent(state="held")] == [id]
    assert (await sender.cancel(id)).summary == {"cancelled": 1}
    assert [each.id async for each in sender.sent(state="held")] == []
    step = (await sender.trace(id, wait=5)).timeline[-1]
    assert step.event == "cancelled" and step.at <= datetime.now(timezone.utc) + timedelta(days=1)
    with pytest.raises(NotFound) as unknown:
        await sender.trace("01JZZZZZZZZZZZZZZZZZZZZZZZ")
    assert (unknown.value.code, unknown.value.status) == ("unknown_message", 404)


async def test_a_message_that_has_failed_can_be_sent_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender, receiver = await opened.client(a), await opened.device(b)
    held = (await sender.publish(b.address, {"ring": 2}, wait=0)).id
    message = await next_message(receiver)
    with pytest.raises(Conflict, match="nothing_failed"):
        await sender.resend(held)
    await within("the answer", message.nack("busy"))
    await settled(sender, held)
    again = await sender.resend(held, devices=[b.name], key="once", wait=0)
    assert again.resend_of == held
    assert (await sender.resend(held, devices=[b.name], key="once", wait=0)).id == again.id
    message = await next_message(receiver)
    assert (message.id, message.payload) == (again.id, {"ring": 2})
    assert (await sender.trace(held)).resent_as == [again.id]
    async with relay.operator() as operator:
        failures = [each async for each in operator.failures(device=b.name)]
    assert [(each.id, each.state, each.reason, each.resent_as) for each in failures] == [
        (held, "rejected", "busy", again.id)
    ]


async def test_a_message_to_a_tag_comes_back_to_its_sender_only_if_the_sender_asks_for_it(
    relay: Relay, opened: Opened
) -> None:
    (a,) = await relay.devices(1)
    tag = await relay.tag(a)
    sender = await opened.device(a)
    with pytest.raises(NotFound, match="only the sender"):
        await sender.publish(tag, "alone")
    await sender.online(LIMIT)
    answer = asyncio.create_task(sender.publish(tag, "echo", echo=True, wait=20))
    message = await next_message(sender)
    assert message.payload == "echo"
    message.ack()
    assert (await within("the answer", answer)).summary == {"delivered": 1}


async def test_a_message_goes_to_the_devices_that_match_an_expression(relay: Relay, opened: Opened) -> None:
    a, b, c = await relay.devices(3)
    tag, muted = await relay.tag(b, c), await relay.tag(c)
    sender, receiver = await opened.client(a), await opened.device(b)
    to = f"{tag} & !{muted}"
    published = await sender.publish(to, "x", wait=0)
    assert [each.device for each in published.deliveries] == [b.name]
    assert (await next_message(receiver)).to == Target.match(to)
    assert (await sender.trace(published.id)).to == Target.match(to)
    with pytest.raises(BadRequest, match=f"character {len(tag) + 5}") as fault:
        await sender.publish(f"{tag} & (", "x")
    assert fault.value.field == "To"


async def test_the_first_answer_wins(relay: Relay, opened: Opened) -> None:
    a, b, c = await relay.devices(3)
    tag = await relay.tag(b, c)
    sender = await opened.client(a)
    first, other = await opened.device(b), await opened.device(c)
    await first.online(LIMIT)
    await other.online(LIMIT)
    answer = asyncio.create_task(sender.publish(tag, "pump", wait=30, acks_needed=1))
    # It rings at both.
    taken, _ = await asyncio.gather(next_message(first), next_message(other))
    await within("the answer", taken.ack("I go"))
    published = await within("the answer", answer)
    found = {each.device: each.reason or each.reply for each in published.deliveries}
    assert found == {b.name: "I go", c.name: "enough"}
    end = await sender.publish(f"@{c.name}", "end", wait=0)
    assert (await next_message(other)).id == end.id


async def test_a_message_that_nobody_takes_goes_to_the_next(relay: Relay, opened: Opened) -> None:
    a, b, c = await relay.devices(3)
    tag = await relay.tag(b)
    sender = await opened.client(a)
    first, manager = await opened.device(b), await opened.device(c)
    steps: list[tuple[Target | str, int]] = [(c.address, 1), (Target.tag(fresh("nobody")), 3600)]
    published = await sender.publish(tag, "pump", wait=0, acks_needed=1, escalate=steps)
    assert [(step.to, step.after) for step in published.escalate] == [(Target.device(c.name), 1), steps[1]]
    _, message = await asyncio.gather(next_message(first), next_message(manager))
    assert message.id == published.id
    await within("the answer", message.ack("I go"))
    trace = await within("the trace", sender.trace(published.id, wait=20))
    assert trace.summary == {"delivered": 1, "cancelled": 1}
    taken = [step for step in trace.timeline if isinstance(step, EscalationStep)]
    assert [(step.event, step.to, step.devices) for step in taken] == [("escalated", Target.device(c.name), 1)]
    with pytest.raises(BadRequest, match="after"):
        await sender.publish(tag, "pump", escalate=[(c.address, 0)])


async def test_a_scheduled_message_is_handed_over_at_its_time(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender, receiver = await opened.device(a), await opened.device(b)
    published = await sender.publish(b.address, "tea", delay=1)
    assert (published.state, published.deliveries) == ("scheduled", [])
    message = await next_message(receiver)
    assert message.id == published.id
    assert published.deliver_at is not None and message.sent_at >= published.deliver_at
    await within("the answer", message.ack("thanks"))
    receipt = await next_receipt(sender)
    assert (receipt.id, receipt.device, receipt.reply) == (published.id, b.name, "thanks")
    tomorrow = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    assert (await sender.publish(b.address, "tea", deliver_at=tomorrow)).deliver_at == tomorrow


async def test_a_device_joins_a_tag_and_leaves_it(relay: Relay, opened: Opened) -> None:
    tag = fresh("joined")
    (a,), (b,) = await relay.devices(1), await relay.devices(1, tags=[tag])
    sender, receiver = await opened.client(a), await opened.device(b)
    await receiver.join(tag)
    await sender.publish(tag, "joined", wait=0)
    message = await next_message(receiver)
    assert message.payload == "joined"
    await within("the answer", message.ack())
    await receiver.leave(tag)
    with pytest.raises(NotFound, match="unknown_tag"):
        await sender.publish(tag, "left")
    with pytest.raises(Forbidden):
        await receiver.join(fresh("other"))


async def test_a_receipt_that_was_not_seen_comes_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    first = await opened.device(a)
    id = await late(opened, a, b, "one")
    # It is taken, but the next one is never asked for: the application may have crashed over it.
    receipt = await next_receipt(first)
    assert (receipt.id, receipt.state, receipt.reply) == (id, "delivered", "one")
    assert await next_receipt(first) == receipt
    await first.close()

    second = await opened.device(a)
    receipts = second.receipts()
    assert await within("the receipt again", receipts.__anext__()) == receipt
    with pytest.raises(RuntimeError, match="receipts are taken already"):
        second.receipts()
    rest = asyncio.create_task(receipts.__anext__())
    another = await late(opened, a, b, "two")
    assert (await within("the other receipt", rest)).id == another
    await second.close()
    assert (await next_receipt(await opened.device(a))).id == another


async def test_an_operator_sees_devices_tags_and_what_waits(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    tag = await relay.tag(b)
    sender, receiver = await opened.client(a), await opened.device(b)
    await receiver.online(LIMIT)
    async with relay.operator() as operator:
        assert await operator.version() == "0.1.0"
        assert {a.name, b.name} <= {each.device async for each in operator.devices()}
        assert [each.devices async for each in operator.tags() if each.tag == tag] == [1]
        assert [(each.device, each.online) async for each in operator.tag(tag, presence=True)] == [(b.name, True)]
        id = (await sender.publish(tag, b"\x00\xff", wait=0)).id
        waiting = [each async for each in operator.inbox(b.name, payload=True)]
        assert [(each.id, each.sender, each.payload) for each in waiting] == [(id, a.name, b"\x00\xff")]
        status = await operator.device(b.name)
        assert (status.online, status.in_flight, status.tags) == (True, 1, [tag])
        assert (await operator.overview()).devices >= 2
        code = await operator.pairing_code(a.name)
        assert code.code in code.url and code.code not in repr(code)
        hook = await operator.create_hook(a.name, b.address, template="text")
        assert "/h/" in hook
        await operator.revoke_hooks(a.name)
        await operator.unbind(tag, b.name)
        assert [each async for each in operator.sent(device=a.name)][0].id == id
        await operator.delete_device(a.name)
        with pytest.raises(NotFound):
            await operator.device(a.name)
        with pytest.raises(Forbidden):
            await operator.publish(b.address, 1)
        with pytest.raises(TypeError, match="publish must be a list"):
            await operator.put_device(a.name, publish="kitchen.*")
    with pytest.raises(Forbidden):
        await receiver.overview()


async def test_a_token_and_a_pairing_code_permit_what_their_grant_says_a_webhook_too(relay: Relay) -> None:
    name = fresh("device")
    async with relay.operator() as operator:
        token = (await operator.put_device(name, publish=["@*"], tags=["hall.*"], webhook=True, expires_in=600)).token
        code = await operator.pairing_code(name, publish=["@*"], tags=["hall.*"], webhook=True, expires_in=600)
        plain = (await operator.put_device(name)).token
    async with httpx.AsyncClient() as http:
        paired = await http.post(f"{relay.url}/v1/pair", json={"code": code.code})
    for said in (claims(token), claims(paired.json()["token"])):
        assert (said["sub"], said["publish"], said["tags"], said["webhook"]) == (name, ["@*"], ["hall.*"], True)
        assert said["exp"] == said["iat"] + 600
    assert "webhook" not in claims(plain)
