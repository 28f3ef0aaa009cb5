// DELETE /v1/devices/{device} forgets a device: its tags, its sockets, its tokens and what was held for it.

import { describe, expect, test } from "vitest";

import { deliverLate, until, useRelay, type Device } from "./harness/index.ts";
import { rowsOf } from "./harness/storage.ts";

const relay = useRelay();

async function remove(device: Device): Promise<void> {
  const answer = await relay.admin("DELETE", `/v1/devices/${device.name}`);
  expect([200, 204], `${answer}`).toContain(answer.status);
}

describe.concurrent("removal", () => {
  test("a removed device is not known any more", async () => {
    const [device, sender] = await relay.devices(2);
    await remove(device!);
    (await relay.admin("GET", `/v1/devices/${device!.name}`)).problem(404, "unknown_device");
    (await sender!.publish({ device: device!.name }, {})).problem(404, "unknown_device");
    const { devices } = (await relay.admin("GET", "/v1/devices?limit=1000")).is(200);
    expect(devices.map(({ device }: any) => device)).not.toContain(device!.name);
  });

  test("it leaves its tags", async () => {
    const [leaving, staying, sender] = await relay.devices(3);
    const [alone, shared] = [await relay.tag(leaving!), await relay.tag(leaving!, staying!)];
    await remove(leaving!);
    (await sender!.publish({ tag: alone }, {})).problem(404, "unknown_tag");
    const { deliveries } = (await sender!.publish({ tag: shared }, {}, { wait: 0 })).is(202);
    expect(deliveries.map(({ device }: any) => device)).toEqual([staying!.name]);
  });

  test("its tokens stop working, so that it does not come back by itself", async () => {
    const device = await relay.device();
    const minted = relay.minted();
    await minted.inbox();
    await remove(device);
    await remove(minted);
    (await device.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await minted.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await relay.admin("GET", `/v1/devices/${device.name}`)).problem(404, "unknown_device");
  });

  test("its socket closes with 4401", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    await remove(device);
    expect((await socket.closed()).code).toBe(4401);
  });

  test("messages held for it are refused, and their senders get receipts", async () => {
    const [one, other, receiver] = await relay.devices(3);
    const [socket, otherSocket] = [await one!.connect(), await other!.connect()];
    const to = { device: receiver!.name };
    const ids = [await one!.send(to, 1), await one!.send(to, 2)];
    const otherId = await other!.send(to, 3);
    await remove(receiver!);
    const receipts = [await socket.next("receipt"), await socket.next("receipt")];
    expect(receipts.map(({ id }) => id).sort()).toEqual(ids.sort());
    for (const receipt of [...receipts, await otherSocket.next("receipt")]) {
      expect(receipt).toMatchObject({ device: receiver!.name, state: "refused", reason: "device_removed" });
    }
    expect((await one!.settled(ids[0]!)).deliveries).toMatchObject([{ state: "refused", reason: "device_removed" }]);
    expect((await other!.settled(otherId)).summary).toEqual({ refused: 1 });
  });

  test("a message in flight to it is refused as well", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    await remove(receiver!);
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "refused", reason: "device_removed" }]);
  });

  test("it leaves only the row that keeps its tokens revoked", async () => {
    const [device, other] = await relay.devices(2);
    const to = { device: device!.name };
    const [socket, attending] = [await device!.connect(), await other!.connect()];
    await relay.tag(device!, other!);
    await other!.send(to, "held");
    await device!.send(to, "to itself", { topic: "t", key: "k" });
    await device!.send({ device: other!.name }, "in flight");
    await deliverLate(device!, other!, attending);
    await socket.next("receipt");
    expect(Object.keys(await relay.rows(device!.name)).length).toBeGreaterThan(3);

    await remove(device!);
    // What it held goes once the senders have been told.
    await until("its rows to go", () => relay.rows(device!.name), ({ inbox }) => inbox === undefined);
    expect(await relay.rows(device!.name)).toEqual({ account: 1 });
    const directory = await relay.directory();
    for (const table of ["devices", "tags"]) {
      const { results } = await directory.prepare(`SELECT * FROM ${table} WHERE device = ?`).bind(device!.name).all();
      expect(results, table).toEqual([]);
    }
    const account = rowsOf(await relay.database(device!.name)).account![0];
    expect(account).toMatchObject({ device: device!.name, created_at: 0, last_seen_at: null });
  });

  test("created again, it starts empty, works at once, and its old tokens stay dead", async () => {
    const [sender, device] = await relay.devices(2);
    const to = { device: device!.name };
    await sender!.send(to, "old");
    await relay.tag(device!);
    await remove(device!);
    const created = (await relay.admin("PUT", `/v1/devices/${device!.name}`)).is(201);
    const again = relay.bearer(device!.name, created.token);
    expect((await again.status()).is(200)).toMatchObject({ held: 0, tags: [] });
    (await device!.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    const id = await sender!.send(to, "new");
    expect((await (await again.connect()).next("message")).id).toBe(id);
  });
});
