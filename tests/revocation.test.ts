// Revoking: tokens issued before stop working at once, tokens issued afterwards work at once.

import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { HandshakeRefused, mint, seconds, until, useRelay, within, type Device } from "./harness/index.ts";

const relay = useRelay();

const revoke = async (device: Device) =>
  (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);

describe.concurrent("revocation", () => {
  test("tokens issued before stop working at once, on every way in", async () => {
    const [device, other] = await relay.devices(2);
    const to = { device: other!.name };
    const id = await device!.send(to, {});
    await revoke(device!);

    (await device!.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await device!.publish(to, {})).problem(401, "unauthorized");
    (await device!.publish({ tag: "nobody.here" }, {})).problem(401, "unauthorized");
    (await device!.trace(id)).problem(401, "unauthorized");
    (await device!.cancel(id)).problem(401, "unauthorized");
    (await device!.request("GET", "/v1/messages")).problem(401, "unauthorized");
    (await device!.status()).problem(401, "unauthorized");
    (await device!.ack(id)).problem(401, "unauthorized");
    const refused = await device!.open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(HandshakeRefused);
    expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": expect.stringMatching(/^Bearer/) } });
    expect((await other!.status()).is(200).held).toBe(1);
  });

  test("tokens that the operator's backend minted before stop working too", async () => {
    const device = relay.minted({ iat: seconds() - 10 });
    const younger = relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds() - 1 }));
    await device.inbox();
    await younger.inbox();
    await revoke(device);
    (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await younger.request("GET", "/v1/inbox")).problem(401, "unauthorized");
  });

  test("open sockets close with 4401", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    await revoke(device);
    expect((await socket.closed()).code).toBe(4401);
  });

  test("a token that the service mints afterwards works at once, within the same second", async () => {
    const device = await relay.device();
    for (let round = 0; round < 5; round++) {
      await revoke(device);
      const renewed = await relay.device(device.name);
      await renewed.inbox();
      const socket = await renewed.connect();
      await socket.ping();
      (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
      device.token = renewed.token;
    }
  });

  test("a token that a backend mints with a later iat works", async () => {
    const device = await relay.device();
    await revoke(device);
    const later = relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds() + 2 }));
    await later.inbox();
  });

  test("a poll that waits ends with 401", async () => {
    const [device, sender] = await relay.devices(2);
    const waiting = device!.request("GET", "/v1/inbox?wait=60", { timeout: 80_000 });
    // It is known to wait once a message to it would be taken by it.
    await until("the poll to wait", async () => (await device!.status()).is(200).last_seen_at, (at) => at !== null);
    await revoke(device!);
    (await within(30_000, waiting)).problem(401, "unauthorized");
    await sender!.send({ device: device!.name }, "held");
  });

  test("a trace that waits ends with 401", async () => {
    const [device, receiver] = await relay.devices(2);
    const id = await device!.send({ device: receiver!.name }, "question");
    const waiting = device!.trace(id, 30);
    // Nothing shows that it waits. One that came after the revocation would be 401 as well.
    await sleep(500);
    await revoke(device!);
    (await within(10_000, waiting)).problem(401, "unauthorized");
  });

  test("a publish that waits ends with 401, and its message stays accepted", async () => {
    const [device, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const waiting = device!.publish({ device: receiver!.name }, "question", { wait: 30 });
    const { id } = await socket.next("message");
    await revoke(device!);
    (await within(10_000, waiting)).problem(401, "unauthorized");
    socket.ack(id, "an answer for a valid token");
    const renewed = await relay.device(device!.name);
    expect((await renewed.settled(id, 40)).deliveries).toMatchObject([{ state: "delivered" }]);
  });

  test("a publish that waits with another token of the device is not affected", async () => {
    const device = relay.minted({ iat: seconds() - 10 });
    await device.inbox();
    const receiver = await relay.device();
    const socket = await receiver.connect();
    // It is issued within the skew of clocks, and so survives the revocation.
    const younger = relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds() + 50 }));
    const waiting = younger.publish({ device: receiver.name }, "question", { wait: 30 });
    const { id } = await socket.next("message");
    await revoke(device);
    socket.ack(id, "answer");
    (await within(10_000, waiting)).is(200);
  });

  test("a frame that is answered after the revocation is not answered", async () => {
    const [device, receiver] = await relay.devices(2);
    const [sending, receiving] = [await device!.connect(), await receiver!.connect()];
    sending.send({ type: "publish", ref: "r", to: { device: receiver!.name }, payload: "question", wait: 30 });
    const { id } = await receiving.next("message");
    await revoke(device!);
    receiving.ack(id, "answer");
    expect((await sending.closed()).code).toBe(4401);
    expect(sending.seen.filter(({ type }) => type === "published" || type === "receipt")).toEqual([]);
  });

  test("other devices keep their tokens and their sockets", async () => {
    const [device, other] = await relay.devices(2);
    const socket = await other!.connect();
    await revoke(device!);
    await socket.ping();
    await other!.inbox();
  });

  test("messages held for the device wait for its next token", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    await revoke(receiver!);
    const socket = await (await relay.device(receiver!.name)).connect();
    expect((await socket.next("message")).id).toBe(id);
  });

  test("asking for a token again does not revoke the first", async () => {
    const device = await relay.device();
    const again = await relay.device(device.name);
    await device.inbox();
    await again.inbox();
  });

  test("revocation is remembered across a restart of the mailbox", async () => {
    const device = await relay.device();
    await revoke(device);
    await relay.evict(device);
    (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
  });
});
