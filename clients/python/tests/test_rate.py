"""A relay with low limits."""

from __future__ import annotations

import asyncio

import pytest

from conftest import Opened
from support import Relay, within

pytestmark = pytest.mark.anyio
RELAY = {"PUBLISH_RATE": 10, "PUBLISH_BURST": 10}


async def test_a_publish_over_the_rate_is_sent_again(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender = await opened.client(a)
    answers = asyncio.gather(*(sender.publish(b.address, n, wait=0, timeout=90) for n in range(50)))
    published = await within("50 answers", answers, 90)
    assert len({each.id for each in published}) == 50
    async with relay.operator() as operator:
        assert (await operator.device(b.name)).held == 50
