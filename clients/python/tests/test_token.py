"""A token that a function gives: renewed before it expires and when the service refuses it, and no more often than that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

import tagpost
from conftest import Opened
from support import LIMIT, Credentials, Relay, change, mint, next_message, until, within
from tagpost import Ended, Offline, Online, Unauthorized
from tagpost._token import Tokens

pytestmark = pytest.mark.anyio


class Source:
    """A token function that gives these in turn, the last one again and again, and counts."""

    def __init__(self, *given: str | Exception) -> None:
        self._given = given
        self.asked = 0

    def __call__(self) -> str:
        given = self._given[min(self.asked, len(self._given) - 1)]
        self.asked += 1
        if isinstance(given, Exception):
            raise given
        return given

    def asynchronous(self) -> Callable[[], Awaitable[str]]:
        async def token() -> str:
            return self()

        return token


def expired(device: Credentials) -> str:
    now = int(time.time())
    return mint(sub=device.name, iat=now - 60, exp=now - 30)


def forged(device: Credentials) -> list[str]:
    """Tokens signed with a key that the service does not know."""
    return [mint("another key", sub=device.name, n=n) for n in range(3)]


async def test_a_token_is_renewed_before_it_ends(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return mint(sub=b.name, iat=int(time.time()), exp=int(time.time()) + 6, n=asked)

    sender, line = await opened.client(a), await opened.network()
    offline: list[Offline] = []
    async with tagpost.connect(line.url, token) as device:
        device.on(Offline, offline.append)
        await device.online(LIMIT)
        for _ in range(2):
            await change(device, Online)
        # The service did not have to close any.
        assert offline == []
        assert (asked, line.handshakes) == (3, 3)
        await sender.publish(b.address, "x", wait=0)
        await within("the answer", (await next_message(device)).ack())


async def test_a_token_revoked_while_connected_is_replaced(relay: Relay, opened: Opened) -> None:
    a, b = await relay.devices(2)
    sender, renewed = await opened.client(a), asyncio.get_running_loop().create_future()
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return b.token if asked == 1 else str(await renewed)

    async with tagpost.connect(relay.url, token) as device:
        await device.online(LIMIT)
        offline = asyncio.create_task(change(device, Offline))
        async with relay.operator() as operator:
            await operator.revoke_tokens(b.name)
            renewed.set_result((await operator.put_device(b.name)).token)
        assert "no longer valid" in (await offline).reason
        await device.online(LIMIT)
        await sender.publish(b.address, "x", wait=0)
        await within("the answer", (await next_message(device)).ack())
        assert asked == 2


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handshake_whose_token_is_refused_is_repeated_with_a_new_one(relay: Relay, is_async: bool) -> None:
    (b,) = await relay.devices(1)
    source = Source(expired(b), b.token)
    async with tagpost.connect(relay.url, source.asynchronous() if is_async else source) as device:
        assert await device.online(LIMIT) == b.name
    assert source.asked == 2


async def test_a_new_token_that_is_refused_too_ends_it(relay: Relay) -> None:
    (b,) = await relay.devices(1)
    source = Source(*forged(b))
    async with tagpost.connect(relay.url, source) as device:
        assert isinstance((await change(device, Ended)).error, Unauthorized)
        with pytest.raises(Unauthorized):
            await device.online(LIMIT)
    assert source.asked == 2


async def test_a_function_that_fails_is_asked_again_until_it_says_that_nobody_is_signed_in(relay: Relay) -> None:
    (b,) = await relay.devices(1)
    source = Source(LookupError("a secret"), "no token", b.token)
    async with tagpost.connect(relay.url, source) as device:
        for name in ("LookupError", "ValueError"):
            assert (await change(device, Offline)).reason == f"there is no token: {name}"
        assert await device.online(LIMIT) == b.name
    assert source.asked == 3

    signed_out = Source(Unauthorized("unauthorized", "signed out"))
    async with tagpost.connect(relay.url, signed_out) as device:
        ended = await change(device, Ended)
        assert isinstance(ended.error, Unauthorized) and ended.error.detail == "signed out"
        with pytest.raises(Unauthorized, match="signed out"):
            await device.online(LIMIT)
    assert signed_out.asked == 1


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_request_whose_token_is_refused_is_made_again_once_with_a_new_one(
    relay: Relay, opened: Opened, is_async: bool
) -> None:
    a, b = await relay.devices(2)
    source = Source(expired(a), a.token)
    async with tagpost.Client(relay.url, source.asynchronous() if is_async else source) as client:
        published = await asyncio.gather(*(client.publish(b.address, n, wait=0) for n in range(3)))
    assert (len({each.id for each in published}), source.asked) == (3, 2)
    async with relay.operator() as operator:
        await until("three to be held", lambda: operator.device(b.name), lambda status: status.held == 3)

    refused = Source(*forged(a))
    async with tagpost.Client(relay.url, refused) as client:
        with pytest.raises(Unauthorized):
            await client.publish(b.address, 1, wait=0)
    assert refused.asked == 2


async def test_a_request_without_a_token_raises_what_the_function_raises(relay: Relay) -> None:
    async with tagpost.Client(relay.url, Source(LookupError("of the application"))) as client:
        with pytest.raises(LookupError, match="of the application"):
            await client.version()


async def test_a_token_is_renewed_in_the_last_tenth_of_its_life_and_the_last_minute() -> None:
    for exp, seconds in ((1100, 90), (4600, 3540), (1006, 4), (1001, 1), (1, 1), (None, None)):
        tokens = Tokens(Source(mint(sub="b", iat=1000, exp=exp)), device=True)
        await tokens.get()
        assert (tokens.renew_in and round(tokens.renew_in)) == seconds, exp
