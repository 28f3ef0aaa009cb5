"""A device in Python: takes messages, acknowledges each with a reply, and comes back whatever happens.

    pip install websockets
    TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... python3 examples/device.py

The protocol is JSON over a WebSocket, so it needs no library of its own. What a device has to do:
acknowledge what it has dealt with, drop repeats by their id, say `ping` so that both sides know of each
other, and come back with a growing, random pause, unless the service says that its token is no longer
valid (4401) or that another connection of the same device took over (4409).
"""

import asyncio
import json
import os
import random
import sys
from collections import OrderedDict

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

URL = os.environ["TAGPOST_URL"].replace("http", "ws", 1) + "/v1/connect"
TOKEN = os.environ["TAGPOST_TOKEN"]

# The answers to recent messages: one that comes again is answered again, and not dealt with twice.
answers: OrderedDict[str, dict] = OrderedDict()


def handle(message: dict) -> dict:
    """What the device does with a message, and what it answers."""
    print(f"{message['from']}: {message['payload']}", flush=True)
    return {"type": "ack", "id": message["id"], "reply": {"got": message["payload"]}}


def answer(message: dict) -> dict:
    if message["id"] not in answers:
        answers[message["id"]] = handle(message)
        if len(answers) > 1024:
            answers.popitem(last=False)
    return answers[message["id"]]


async def keep_alive(socket, seconds: int) -> None:
    while True:
        await socket.send("ping")
        await asyncio.sleep(seconds)


async def listen() -> None:
    """One connection, until it ends."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    # The service answers `ping` as a text without waking up; pings of the protocol it would not see.
    options = {"additional_headers": headers, "subprotocols": ["tagpost.v1"], "ping_interval": None}
    async with connect(URL, **options) as socket:
        welcome = json.loads(await socket.recv())
        print(f"listening as {welcome['device']}, {welcome['held']} waiting", file=sys.stderr, flush=True)
        alive = asyncio.create_task(keep_alive(socket, welcome["keepalive"]))
        try:
            while True:
                # Whoever says nothing for so long, not even `pong`, is gone.
                text = await asyncio.wait_for(socket.recv(), 1.5 * welcome["keepalive"])
                if text == "pong":
                    continue
                frame = json.loads(text)
                if frame["type"] == "message":
                    await socket.send(json.dumps(answer(frame)))
                elif frame["type"] == "receipt":
                    await socket.send(json.dumps({"type": "receipts_seen", "seq": frame["seq"]}))
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
            if code in (4401, 4409):
                sys.exit(f"the service closed the connection: {closed.rcvd.reason}")
            print(f"the connection was closed: {closed}", file=sys.stderr, flush=True)
        except InvalidStatus as refused:
            if refused.response.status_code in (401, 403):
                sys.exit("the token is not valid")
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
