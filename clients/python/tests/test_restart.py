"""A relay that is killed, and one that is not there yet."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Opened
from support import LIMIT, Relay, change, payloads, within
from tagpost import Offline, Online

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("restart")]
#: One of its own, to be killed.
RELAY: dict[str, object] = {}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start may take long; the pauses that have grown meanwhile should not."""
    monkeypatch.setattr("random.random", lambda: 0.05)


async def test_a_device_reconnects_to_a_relay_that_is_killed_and_started_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender, receiver = await opened.client(a), await opened.device(b)
    await receiver.online(LIMIT)
    taken = asyncio.create_task(payloads(receiver, 101, 90))
    answers = [asyncio.create_task(sender.publish(b.address, n, wait=0, timeout=90)) for n in range(100)]
    await within("the first answers", asyncio.shield(answers[10]))
    await asyncio.to_thread(relay.kill)
    answers.append(asyncio.create_task(sender.publish(b.address, 100, wait=0, timeout=90)))
    await asyncio.to_thread(relay.start)
    published = await within("all answers", asyncio.gather(*answers), 90)
    assert len({each.id for each in published}) == 101
    assert sorted(await taken) == list(range(101))


async def test_a_service_that_cannot_be_reached_is_waited_for(relay: Relay, opened: Opened) -> None:
    (a,) = await relay.devices(1)
    await asyncio.to_thread(relay.kill)
    device = await opened.device(a)
    assert "not connected" in (await change(device, Offline)).reason
    online = asyncio.create_task(change(device, Online))
    await asyncio.to_thread(relay.start)
    assert (await online).device == a.name
