"""The relay that all tests share, or one of a file's own, with the variables that it names in `RELAY`.

A relay takes seconds to start, so it is started once for the processes among which the tests are divided.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

import tagpost
from support import SHARED, Credentials, Network, Relay

_PORT = "TAGPOST_TEST_RELAY"
_shared: list[Relay] = []


def pytest_configure(config: pytest.Config) -> None:
    if _PORT not in os.environ and not config.option.collectonly:
        _shared.append(Relay(SHARED))
        os.environ[_PORT] = str(_shared[0].port)


def pytest_unconfigure() -> None:
    while _shared:
        _shared.pop().stop()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    variables = getattr(request.module, "RELAY", None)
    if variables is None:
        yield Relay({}, int(os.environ[_PORT]))
        return
    relay = Relay(variables)
    try:
        yield relay
    finally:
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
