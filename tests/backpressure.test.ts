// A device that stays connected and does not read. Its messages are buffered in the service's memory, so the service
// sends a limited amount and then closes the connection.

import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const MESSAGES = 100;
const BYTES = 250_000;
const relay = useRelay({ vars: { ACK_TIMEOUT: 1 } });

/** A connection that is read up to the handshake's answer, and no further. */
async function deaf(device: Device): Promise<Socket> {
  const socket = connect(Number(relay.url.port), relay.url.hostname);
  const request = [
    "GET /v1/connect HTTP/1.1",
    `Host: ${relay.url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}`,
    "Sec-WebSocket-Protocol: tagpost.v1",
    `Authorization: Bearer ${device.token}`,
  ];
  socket.write(`${request.join("\r\n")}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  expect(`${answer}`).toMatch(/^HTTP\/1.1 101 /);
  return socket.pause();
}

test("a device that never reads is disconnected, others are served, and it gets all when it is back", async () => {
  const [sender, receiver, other] = await relay.devices(3);
  const to = { device: receiver!.name };
  (await other!.connect()).answer();
  const before = relay.memory();
  const socket = await deaf(receiver!);
  const ids = [];
  for (let n = 0; n < MESSAGES; n++) {
    ids.push(await sender!.send(to, "x".repeat(BYTES), { type: "text/plain" }));
    if (n % 10 === 0) (await sender!.publish({ device: other!.name }, n, { wait: 10 })).is(200);
  }
  // It has shown life within 2.5 keepalives: what ends it is what it did not take.
  await receiver!.offline();
  expect((await receiver!.status()).is(200)).toMatchObject({ held: MESSAGES, in_flight: 0 });
  const grown = relay.memory() - before;
  socket.destroy();
  if (process.env.FIGURES) console.log(`grown by ${grown >> 20} MiB, then ${(relay.memory() - before) >> 20} MiB`);

  (await receiver!.connect()).answer();
  for (const id of ids) expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
});
