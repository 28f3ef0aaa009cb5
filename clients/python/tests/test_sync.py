"""The synchronous face does the same, from any thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tagpost
from support import LIMIT, Relay, fresh, mint, outcome
from tagpost import sync


@pytest.fixture
def names() -> tuple[str, str]:
    return fresh("device"), fresh("device")


def test_a_device_receives_and_a_client_gets_the_reply(relay: Relay, names: tuple[str, str]) -> None:
    a, b = names
    with sync.connect(relay.url, mint(sub=b)) as receiver, sync.Client(relay.url, mint(sub=a)) as sender:
        assert receiver.online(LIMIT) == receiver.name == b
        with ThreadPoolExecutor() as pool:
            published = pool.submit(sender.publish, f"@{b}", {"ring": 1}, wait=20)
            for message in receiver.messages(timeout=LIMIT):
                assert (message.sender, message.payload, message.text) == (a, {"ring": 1}, '{"ring":1}')
                with pytest.raises(ValueError, match="reply must be at most 4096 bytes"):
                    message.ack("x" * 5_000)
                assert not message.is_answered
                message.ack({"opened": True}).result(LIMIT)
                assert message.is_answered
                break
            assert outcome(published.result(LIMIT)) == [("delivered", {"opened": True})]
        assert [each.id for each in sender.sent()] == [message.id]


def test_a_message_at_which_a_loop_ends_is_the_first_of_the_next_loop_and_a_loop_ends_with_its_time(
    relay: Relay, names: tuple[str, str]
) -> None:
    a, b = names
    with sync.connect(relay.url, mint(sub=b)) as receiver, sync.connect(relay.url, mint(sub=a)) as sender:
        for n in range(2):
            sender.publish(f"@{b}", n, wait=0)
        for message in receiver.messages(timeout=LIMIT):
            break
        seen = []
        for message in receiver.messages(timeout=1.5):
            seen.append(message.payload)
            message.ack(message.payload)
        assert seen == [0, 1]
        receipts = [receipt.reply for receipt in sender.receipts(timeout=3)]
        assert receipts == [0, 1]


def test_a_handler_answers_and_learns_that_its_message_was_withdrawn(relay: Relay, names: tuple[str, str]) -> None:
    a, b = names
    begun = threading.Event()
    seen: list[str] = []

    def handle(message: sync.Message) -> object:
        if message.payload == "dig":
            begun.set()
            withdrawal = message.withdrawn(LIMIT)
            seen.append(withdrawal.code if withdrawal else "")
            return "too late"
        if message.payload == "reject":
            raise tagpost.Reject("not at home")
        return message.payload

    with sync.connect(relay.url, mint(sub=b)) as receiver, sync.Client(relay.url, mint(sub=a)) as sender:
        receiver.online(LIMIT)
        thread = threading.Thread(target=receiver.listen, args=(handle,))
        thread.start()
        id = sender.publish(f"@{b}", "dig", wait=0).id
        assert begun.wait(LIMIT)
        sender.cancel(id)
        assert outcome(sender.publish(f"@{b}", "hello", wait=20)) == [("delivered", "hello")]
        assert outcome(sender.publish(f"@{b}", "reject", wait=20)) == [("rejected", "not at home")]
        assert seen == ["cancelled"]
        receiver.close()
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_errors_are_those_of_the_asynchronous_client(relay: Relay, names: tuple[str, str]) -> None:
    with sync.Client(relay.url, mint(sub=names[0])) as client:
        with pytest.raises(tagpost.NotFound, match="unknown_device"):
            client.publish("@nobody-at-all", 1)
    client.close()
    with pytest.raises(RuntimeError, match="the client was closed"):
        client.version()
    with pytest.raises(ValueError, match="url must begin with http"):
        sync.connect("relay.example", "a.b.c")
    with sync.connect(relay.url, mint("another key", sub=names[0])) as device:
        with pytest.raises(tagpost.Unauthorized):
            next(iter(device.messages(timeout=LIMIT)))
    threads = [thread.name for thread in threading.enumerate()]
    assert "tagpost" not in threads


def test_ctrl_c_ends_a_loop(relay: Relay, names: tuple[str, str]) -> None:
    script = """
import os
from tagpost.sync import connect
try:
    with connect(os.environ["URL"], os.environ["TOKEN"]) as device:
        print(device.online(), flush=True)
        for message in device.messages():
            pass
except KeyboardInterrupt:
    print("ended", flush=True)
"""
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path, "URL": relay.url, "TOKEN": mint(sub=names[0])}
    with subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{names[0]}\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\n"
        assert process.wait(LIMIT) == 0
