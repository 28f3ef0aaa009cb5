"""What no network can be made to show in a certain order."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable

import pytest

from support import within
from tagpost import BadRequest, TagpostError, _json
from tagpost._backoff import Backoff
from tagpost._inbox import Inbox
from tagpost._queue import Queue

pytestmark = pytest.mark.anyio


def frame(id: str) -> str:
    return json.dumps(
        {
            "type": "message",
            "id": id,
            "from": "a",
            "to": {"device": "b"},
            "sent_at": 0,
            "expires_at": 1,
            "attempt": 1,
            "urgency": "normal",
            "topic": None,
            "content_type": "application/json",
            "payload": 1,
        }
    )


class Service:
    """An inbox, what it has sent, and its pings, which the test answers."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []
        self.pings: list[Callable[[], None]] = []
        self.refused: list[tuple[str, TagpostError]] = []
        self.inbox = Inbox(self._send, self._ping, lambda id, error: self.refused.append((id, error)))
        self.inbox.welcome(4)

    def message(self, id: str) -> None:
        self.inbox.take(json.loads(frame(id)), frame(id))

    def _send(self, text: str) -> bool:
        self.sent.append(json.loads(text))
        return True

    def _ping(self, on_pong: Callable[[], None]) -> bool:
        self.pings.append(on_pong)
        return True


async def test_an_answer_that_is_refused_before_it_counts_as_given_can_be_given_again() -> None:
    service = Service()
    service.message("m")
    message = await service.inbox.next()
    assert message is not None
    given = message.ack("first")
    assert service.inbox.refused({"code": "bad_frame", "detail": "reply must be short", "ref": "m"})
    with pytest.raises(BadRequest, match="reply must be short"):
        await within("the answer", given)
    assert [id for id, _ in service.refused] == ["m"]
    assert not message.is_answered
    again = message.ack("second")
    while service.pings:
        service.pings.pop(0)()
    await within("the answer", again)
    assert [each.get("reply") for each in service.sent] == ["first", "second"]


async def test_an_answer_counts_as_given_with_the_pong_to_a_ping_that_followed_it() -> None:
    service = Service()
    service.message("m")
    service.message("n")
    first, second = [await service.inbox.next() for _ in range(2)]
    assert first is not None and second is not None
    given = [asyncio.ensure_future(first.ack()), asyncio.ensure_future(second.ack())]
    await asyncio.sleep(0)
    # One ping at a time: it followed the first answer, and not the second.
    service.pings.pop(0)()
    await asyncio.sleep(0.01)
    assert [each.done() for each in given] == [True, False]
    service.pings.pop(0)()
    await within("the answers", asyncio.gather(*given))


async def test_an_answer_that_is_not_given_is_sent_again_over_the_next_connection() -> None:
    service = Service()
    service.message("m")
    message = await service.inbox.next()
    assert message is not None
    message.ack("lost")
    service.inbox.welcome(4)
    # The service repeats it, too: it was not shown again.
    service.message("m")
    assert [each["reply"] for each in service.sent] == ["lost"] * 3
    assert len(service.inbox) == 0


async def test_a_withdrawn_message_that_waits_is_not_shown_and_one_that_comes_again_is() -> None:
    service = Service()
    service.message("m")
    service.inbox.withdrawn("m", "cancelled")
    assert len(service.inbox) == 0
    service.message("m")
    assert len(service.inbox) == 1


async def test_a_taker_that_gives_up_takes_nothing_along() -> None:
    queue: Queue[int] = Queue()
    first, second = asyncio.ensure_future(queue.take()), asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.push(1)
    # It has been woken, and did not run yet.
    first.cancel()
    assert await within("the item", second) == 1
    queue.push(2)
    assert await within("the next item", queue.take()) == 2


def test_pauses_are_random_parts_of_a_time_that_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff(1.0, 30.0)
    monkeypatch.setattr("random.random", lambda: 1.0)
    assert [backoff.next() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    monkeypatch.setattr("random.random", lambda: 0.5)
    backoff.reset()
    assert backoff.next() == 0.5


def test_the_text_of_a_member_is_found_whatever_surrounds_it() -> None:
    for value in ('"a\\"}"', "1.10", "[1, {\"payload\": 2}]", "null", '{"a":[]}'):
        text = f'{{ "x" : {{"payload":0}} , "payload":{value} , "y":1}}'
        assert _json.member(text, "payload") == value
    assert _json.member('{"x":1}', "payload") is None
    assert _json.member("{}", "payload") is None


def test_an_error_can_be_pickled_and_names_its_field() -> None:
    error = copy.copy(BadRequest("bad_request", "TTL must be a number", status=400, retry_after=1.0))
    assert (error.code, error.field, error.status, error.retry_after) == ("bad_request", "TTL", 400, 1.0)
