// Revoking one token of a device, by its id: the others stay valid.

import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { claimsOf, fresh, HandshakeRefused, mint, seconds, until, useRelay, within, type Device } from "./harness/index.ts";

const relay = useRelay();

const idOf = (device: Device): string => claimsOf(device.token)["jti"];
const revoke = (device: Device, id = idOf(device), query = "") =>
  relay.admin("DELETE", `/v1/devices/${device.name}/tokens/${id}${query}`);

describe.concurrent("the id of a token", () => {
  test("is in the token and in the answer that has it, with the token's end", async () => {
    const name = fresh("device");
    const answers = [];
    for (let round = 0; round < 2; round++) answers.push(await relay.admin("PUT", `/v1/devices/${name}`, { expires_in: 600 }));
    const [one, other] = answers.map((answer) => answer.json);
    for (const { token, token_id, expires_at } of [one, other]) {
      expect(token_id).toMatch(/^[0-9a-f]{16}$/);
      expect(claimsOf(token)).toMatchObject({ jti: token_id, exp: expires_at / 1000 });
    }
    expect(one.token_id).not.toBe(other.token_id);
    expect((await relay.admin("PUT", `/v1/devices/${name}`)).is(200)).not.toHaveProperty("expires_at");
  });

  test("revokes this token on every way in, and no other", async () => {
    const device = await relay.device();
    const other = await relay.device(device.name);
    const receiver = await relay.device();
    const id = await device.send({ device: receiver.name }, {});
    (await revoke(device)).is(204);

    (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await device.publish({ device: receiver.name }, {})).problem(401, "unauthorized");
    (await device.trace(id)).problem(401, "unauthorized");
    (await device.status()).problem(401, "unauthorized");
    const refused = await device.open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(HandshakeRefused);
    expect(refused).toMatchObject({ status: 401 });

    await other.inbox();
    (await other.trace(id)).is(200);
    await (await other.connect()).ping();
  });

  test("closes the socket of this token with 4401, and leaves that of another open", async () => {
    const device = await relay.device();
    const other = await relay.device(device.name);
    const socket = await other.connect();
    (await revoke(device)).is(204);
    await socket.ping();
    (await revoke(other)).is(204);
    expect((await socket.closed()).code).toBe(4401);
  });

  test("closes a socket that hibernates", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    await relay.evict(device);
    (await revoke(device)).is(204);
    expect((await socket.closed()).code).toBe(4401);
  });

  test("ends a poll that waits with this token", async () => {
    const device = await relay.device();
    const other = await relay.device(device.name);
    const waiting = device.request("GET", "/v1/inbox?wait=60", { timeout: 80_000 });
    await until("the poll to wait", async () => (await other.status()).is(200).last_seen_at, (at) => at !== null);
    (await revoke(device)).is(204);
    (await within(30_000, waiting)).problem(401, "unauthorized");
  });

  test("is remembered across a restart of the mailbox", async () => {
    const device = await relay.device();
    (await revoke(device)).is(204);
    await relay.evict(device);
    (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
  });

  test("may be any that a backend has given its token", async () => {
    const device = await relay.device();
    const id = "d290f1ee-6c54-4b01-90e6-d701748f0851";
    const minted = relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds(), jti: id }));
    const without = relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds(), jti: "a/b" }));
    await minted.inbox();
    (await revoke(minted)).is(204);
    (await minted.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    // One of another form is no id, as before ids had a meaning.
    await without.inbox();
    (await revoke(without, "a%2Fb")).problem(400, "bad_request");
    await without.inbox();
  });

  test("of one device says nothing about another's", async () => {
    const [one, other] = await relay.devices(2);
    const [a, b] = [one!, other!].map((device) =>
      relay.bearer(device.name, mint(relay.tokenKey, { sub: device.name, iat: seconds(), jti: "shared" })),
    );
    await Promise.all([a!.inbox(), b!.inbox()]);
    (await revoke(a!)).is(204);
    (await a!.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    await b!.inbox();
  });

  test("is kept until the token expires", async () => {
    const device = await relay.device();
    const end = (seconds() + 2) * 1000;
    const rows = async () => (await relay.rows(device.name))["revoked_tokens"];
    (await revoke(device, "short", `?expires_at=${end}`)).is(204);
    (await revoke(device, "long", `?expires_at=${end + 600_000}`)).is(204);
    expect(await rows()).toBe(2);
    await sleep(end - Date.now() + 100);
    (await revoke(device, "other")).is(204);
    expect(await rows()).toBe(2);
  });

  test("is refused beyond a hundred of a device, until all its tokens are revoked", async () => {
    const device = await relay.device();
    for (let n = 0; n < 100; n++) (await revoke(device, `t${n}`)).is(204);
    (await revoke(device, "one-more")).problem(422, "too_many_revoked");
    (await revoke(device, "t7")).is(204);
    await device.inbox();
  });

  test("is named with what is wrong about the request, which changes nothing", async () => {
    const device = await relay.device();
    for (const end of ["1", `${seconds() - 1}000`, "soon", "-1", "99999999999999999"]) {
      const problem = (await revoke(device, idOf(device), `?expires_at=${end}`)).problem(400, "bad_request");
      expect(problem.detail).toMatch(/^expires_at/);
    }
    (await revoke(device, "a".repeat(65))).problem(400, "bad_request");
    (await relay.admin("DELETE", `/v1/devices/${fresh("nobody")}/tokens/abc`)).problem(404, "unknown_device");
    await device.inbox();
  });

  test("is for the operator alone: a token does not even revoke itself", async () => {
    const device = await relay.device();
    const path = `/v1/devices/${device.name}/tokens/${idOf(device)}`;
    (await device.request("DELETE", path)).problem(403, "forbidden");
    await device.inbox();
  });

  test("is logged when it is revoked, and the token is not", async () => {
    const device = await relay.device();
    (await revoke(device)).is(204);
    const lines = () => relay.logs.map(({ message }) => message).filter((line) => line.includes(device.name));
    await until("the log line", async () => lines().join("\n"), (text) => text.includes("token_revoked"));
    expect(lines().join("\n")).toContain(idOf(device));
    expect(lines().join("\n")).not.toContain(device.token);
  });
});
