// The service's log is one JSON object a line, and holds no credential and no payload.

import { expect, test } from "vitest";

import { mint, seconds, useRelay } from "./harness/index.ts";

const relay = useRelay();

test("no token, key, payload, reply or reason is logged, and every line is JSON", async () => {
  const [sender, receiver] = await relay.devices(2);
  const to = { device: receiver!.name };
  const socket = await receiver!.connect();
  const stranger = mint("another key", { sub: sender!.name, iat: seconds() });

  const publish = sender!.publish(to, "secret-payload", { key: "secret-key", topic: "secret-topic", wait: 10 });
  socket.ack((await socket.next("message")).id, "secret-reply");
  (await publish).is(200);
  await sender!.send(to, "secret-payload");
  socket.nack((await socket.next("message")).id, "secret-reason");
  (await sender!.publish(to, "{secret-broken", { type: "application/json" })).problem(400);
  (await relay.request("GET", "/v1/inbox", { token: stranger })).problem(401);
  (await relay.request("GET", `/v1/inbox?token=${sender!.token}`)).problem(401);
  (await relay.admin("GET", "/v1/devices?limit=many")).problem(400);
  socket.send('{"type":"ack","id":"secret-id"');
  await socket.next("error");
  for (let n = 0; n < 10; n++) socket.send("secret-frame");
  await socket.closed();

  const lines = relay.logs.map(({ message }) => message);
  for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow();
  const secrets = [
    relay.adminKey,
    relay.tokenKey,
    ...[sender!.token, receiver!.token, stranger].map((token) => token.split(".")[2]!),
    "secret-",
  ];
  for (const secret of secrets) expect(lines.filter((line) => line.includes(secret))).toEqual([]);
});

test("a query that the directory refuses fails only its request, and is logged once with the cause", async () => {
  const directory = await relay.directory();
  await directory.exec("ALTER TABLE tags RENAME TO away");
  try {
    // One reads rows, the other is a transaction.
    (await relay.admin("GET", "/v1/tags")).problem(500);
    (await relay.admin("PUT", "/v1/tags/kitchen/devices/cam")).problem(500);
  } finally {
    await directory.exec("ALTER TABLE away RENAME TO tags");
  }
  const failed = relay.logs.map(({ message }) => JSON.parse(message)).filter(({ event }) => event === "platform_failed");
  const refused = expect.stringMatching(/^Error: D1_ERROR: no such table: tags: SQLITE_ERROR/);
  expect(failed).toMatchObject([{ cause: refused }, { cause: refused }]);
  (await relay.admin("GET", "/v1/tags")).is(200);
});
