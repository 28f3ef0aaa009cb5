// JSON has at most a hundred levels, wherever it comes from: what is passed on can be read by any parser.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const LEVELS = /more than 100 levels/;

test("a payload of more than a hundred levels is refused, over HTTP and in a frame", async () => {
  const [sender, receiver] = await relay.devices(2);
  const to = { device: receiver!.name };
  const socket = await sender!.connect();
  for (const depth of [101, 5_000, 100_000]) {
    const answer = await sender!.publish(to, nested(depth), { type: "application/json" });
    expect(answer.problem(400, "bad_request").detail).toMatch(LEVELS);
    socket.send(`{"type":"publish","ref":"deep","to":{"device":"${to.device}"},"payload":${nested(depth)}}`);
    const error = await socket.next("error");
    expect(error).toMatchObject({ code: "bad_frame", ref: "deep", detail: expect.stringMatching(/^payload has more than/) });
  }
  expect((await receiver!.status()).is(200).held).toBe(0);
});

test("a reply of more than a hundred levels is refused, and the message stays unanswered", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await receiver!.connect();
  const id = await sender!.send({ device: receiver!.name }, {});
  await socket.next("message");
  socket.send(`{"type":"ack","id":"${id}","reply":${nested(101)}}`);
  expect(await socket.next("error")).toMatchObject({ code: "bad_frame", detail: expect.stringMatching(/^reply has/) });
  for (const [how, body] of [
    ["ack", `{"reply":${nested(2_000)}}`],
    ["nack", `{"reason":"no","x":${nested(2_000)}}`],
  ]) {
    const answer = await receiver!.request("POST", `/v1/inbox/${id}/${how}`, { body });
    expect(answer.problem(400, "bad_request").detail).toMatch(LEVELS);
  }
  expect((await sender!.trace(id)).is(200).summary).toEqual({ sent: 1 });
});

test("a hundred levels arrive, and so does their reply", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await receiver!.connect();
  const id = await sender!.send({ device: receiver!.name }, nested(100), { type: "application/json" });
  expect(JSON.stringify((await socket.next("message")).payload)).toBe(nested(100));
  socket.send(`{"type":"ack","id":"${id}","reply":${nested(100)}}`);
  expect(JSON.stringify((await sender!.settled(id)).deliveries[0]!.reply)).toBe(nested(100));
});

test("a whole number in a frame or a body is taken in every form in which it is written", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await sender!.connect();
  for (const ttl of ["60", "60.0", "6e1"]) {
    socket.send(`{"type":"publish","to":{"device":"${receiver!.name}"},"payload":1,"wait":0.0,"ttl":${ttl}}`);
    await socket.next("published");
    (await relay.request("PUT", `/v1/devices/${receiver!.name}`, { token: relay.adminKey, body: `{"expires_in":${ttl}}` })).is(200);
  }
  for (const message of await receiver!.inbox()) expect(message.expires_at - message.sent_at).toBe(60_000);
});
