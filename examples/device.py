"""A device in Python without tagpost's library: takes messages, acknowledges each with a reply, and comes back whatever happens.

    pip install websockets
    TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... python3 examples/device.py

The library in clients/python does all of this and more. The protocol is JSON over a WebSocket, so it can be done
without. What a device has to do:
acknowledge what it has dealt with, reject what it cannot deal with, drop repeats by their id, say `ping` so
that both sides know of each other, and come back with a growing, random pause, unless the service says that
nobody understands this device (4400), that its token is no longer valid (4401) or that another connection of
the same device took over (4409).
"""

import asyncio
import json
import os
import random
import re
import sys
from collections import OrderedDict

try:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
except ImportError:
    sys.exit("it needs websockets 14 or newer: pip install websockets")

SERVICE, TOKEN = os.environ.get("TAGPOST_URL", ""), os.environ.get("TAGPOST_TOKEN", "")
if not re.match("https?://[^/]", SERVICE):
    sys.exit("TAGPOST_URL has to be set to where the service is, http://127.0.0.1:8787 for example")
if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", TOKEN, re.ASCII):
    sys.exit("TAGPOST_TOKEN has to be set to a device's token")
# The service may lie below a path: what follows is added to it.
URL = SERVICE.rstrip("/").replace("http", "ws", 1) + "/v1/connect"

# The longest reply, in bytes of JSON, and how many levels of arrays and objects it may have.
MAX_REPLY, MAX_DEPTH = 4096, 100
# Seconds for the handshake, and for the first frame after it.
HANDSHAKE_TIMEOUT = 15

# The answers to recent messages: one that comes again is answered again, and not dealt with twice.
answers: OrderedDict[str, dict] = OrderedDict()


class Connect(connect):
    """A connection that does not follow where else the service is said to be: the token is not meant for there."""

    def process_redirect(self, exc):
        return exc


def handle(message: dict) -> dict:
    """What the device does with a message, and what it answers."""
    payload = message["payload"]
    print(f"{message['from']}: {payload}", flush=True)
    reply = {"got": payload}
    if len(write(reply)) > MAX_REPLY or depth(reply) > MAX_DEPTH:
        reply = {"got_bytes": len(write(payload))}
    return {"type": "ack", "id": message["id"], "reply": reply}


def write(value) -> str:
    """JSON, in ASCII. Numbers that are none in JSON, as 1e999 becomes one in Python, are a ValueError."""
    return json.dumps(value, allow_nan=False)


def depth(value) -> int:
    """How deep arrays and objects are nested."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def answer(message: dict) -> dict:
    if message["id"] not in answers:
        try:
            answers[message["id"]] = handle(message)
        except (RecursionError, ValueError) as error:
            answers[message["id"]] = reject(message["id"], error)
        if len(answers) > 1024:
            answers.popitem(last=False)
    return answers[message["id"]]


def reject(message_id: str, error: Exception) -> dict:
    """The answer to what this device cannot deal with: without any it would come again and again."""
    return {"type": "nack", "id": message_id, "reason": f"this device cannot read it: {error}"[:256]}


def read(text: str) -> dict:
    """A frame. Of one that Python does not take, arrays in arrays in arrays for example, what can be answered."""
    try:
        return json.loads(text)
    except (RecursionError, ValueError) as error:
        # The service begins every message like this.
        head = re.match(r'\{"type":"message","id":"(\w+)"', text)
        if head is None:
            raise
        return {"type": "unreadable", "answer": reject(head[1], error)}


async def keep_alive(socket, seconds: int) -> None:
    while True:
        await socket.send("ping")
        await asyncio.sleep(seconds)


async def listen() -> None:
    """One connection, until it ends."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    # The service answers `ping` as a text without waking up; pings of the protocol it would not see.
    options = {"additional_headers": headers, "subprotocols": ["tagpost.v1"], "ping_interval": None}
    async with Connect(URL, open_timeout=HANDSHAKE_TIMEOUT, close_timeout=5, max_size=None, **options) as socket:
        welcome = json.loads(await asyncio.wait_for(socket.recv(), HANDSHAKE_TIMEOUT))
        print(f"listening as {welcome['device']}, {welcome['held']} waiting", file=sys.stderr, flush=True)
        alive = asyncio.create_task(keep_alive(socket, welcome["keepalive"]))
        try:
            while True:
                # A service that is silent for this long, without even a `pong`, is gone.
                text = await asyncio.wait_for(socket.recv(), 1.5 * welcome["keepalive"])
                if text == "pong":
                    continue
                frame = read(text)
                if frame["type"] == "message":
                    await socket.send(write(answer(frame)))
                elif frame["type"] == "unreadable":
                    await socket.send(write(frame["answer"]))
                elif frame["type"] == "receipt":
                    await socket.send(write({"type": "receipts_seen", "seq": frame["seq"]}))
                elif frame["type"] == "error":
                    print(frame["detail"], file=sys.stderr, flush=True)
        finally:
            alive.cancel()


async def main() -> None:
    loop = asyncio.get_running_loop()
    pause = 1.0
    while True:
        began = loop.time()
        try:
            await listen()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            if code in (4400, 4401, 4409):
                sys.exit(f"the service closed the connection: {closed.rcvd.reason}")
            print(f"the connection was closed: {closed}", file=sys.stderr, flush=True)
        except InvalidStatus as refused:
            if refused.response.status_code in (401, 403):
                sys.exit("the token is not valid")
            if refused.response.status_code == 404:
                print(f"there is no tagpost at {SERVICE} now", file=sys.stderr, flush=True)
            print(refused, file=sys.stderr, flush=True)
        except (InvalidHandshake, OSError, TimeoutError) as error:
            print(f"not connected: {error or 'silence'}", file=sys.stderr, flush=True)
        pause = 1.0 if loop.time() - began > 10 else min(2 * pause, 30.0)
        # A random part of it, so that after an outage not all devices come back at once.
        await asyncio.sleep(random.uniform(0, pause))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
