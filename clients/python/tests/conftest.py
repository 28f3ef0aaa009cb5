"""The relay of a test file, with the variables that the file names in `RELAY`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

import tagpost
from support import Credentials, Network, Relay


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    relay = Relay(getattr(request.module, "RELAY", {}))
    yield relay
    relay.stop()


class Opened:
    """What a test opens; all of it is closed after the test."""

    def __init__(self, relay: Relay, stack: AsyncExitStack) -> None:
        self._relay = relay
        self._stack = stack

    async def device(self, credentials: Credentials | str, url: str | None = None) -> tagpost.Device:
        token = credentials if isinstance(credentials, str) else credentials.token
        return await self._stack.enter_async_context(tagpost.connect(url or self._relay.url, token))

    async def client(self, credentials: Credentials | str, url: str | None = None) -> tagpost.Client:
        token = credentials if isinstance(credentials, str) else credentials.token
        return await self._stack.enter_async_context(tagpost.Client(url or self._relay.url, token))

    async def network(self, port: Callable[[], int] | None = None) -> Network:
        return await self._stack.enter_async_context(Network.to(port or (lambda: self._relay.port)))


@pytest.fixture
async def opened(relay: Relay) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        yield Opened(relay, stack)
