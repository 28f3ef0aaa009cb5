// What the library holds is bounded, and the device's clock decides nothing.

import { afterEach, describe, expect, test, vi } from "vitest";

import { useRelay, type Device as Credentials } from "../../../tests/harness/index.ts";
import { next, payloads, range, state, useClients, within } from "./support.ts";

const WINDOW = 4;
const relay = useRelay({ vars: { ACK_TIMEOUT: 1, MAX_ATTEMPTS: 100, MAX_IN_FLIGHT: WINDOW } });
const { client, network } = useClients();

/** Waits until a message has been sent twice. */
const repeated = async (sender: Credentials, id: string) => {
  const attempts = async () => (await sender.trace(id)).is(200).deliveries[0].attempts;
  await expect.poll(attempts, { timeout: 10_000 }).toBeGreaterThan(1);
};

afterEach(() => {
  vi.useRealTimers();
});

describe("resources", () => {
  test("a slow consumer holds no more than the window", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const size = 64 * 1024;
    for (const n of range(60)) await a!.send({ device: b!.name }, `${n} `.padEnd(size, "x"), { type: "text/plain" });
    const unanswered = async () => {
      const { held, in_flight } = (await b!.status()).is(200);
      return held + in_flight;
    };
    let taken = 0;
    for await (const message of receiver.messages()) {
      expect(message.payload).toHaveLength(size);
      expect(message.payload).toMatch(new RegExp(`^${taken} `));
      expect(receiver.waiting).toBeLessThanOrEqual(WINDOW);
      // Now and then all acknowledgements have to be there, and none but those.
      if (taken % 20 === 10) {
        await expect.poll(unanswered, { timeout: 10_000 }).toBe(60 - taken);
        await within("a repeat of what waits", repeated(a!, message.id));
        expect(await unanswered()).toBe(60 - taken);
      }
      message.ack();
      taken += 1;
      if (taken === 60) break;
    }
    const delivered = async () => (await a!.request("GET", "/v1/messages?state=delivered&limit=100")).is(200).messages;
    await expect.poll(delivered, { timeout: 10_000 }).toHaveLength(60);
  }, 120_000);

  test("messages beyond the window are dropped, and received again", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const receiver = client(line.url, b!);
    await state(receiver, "online");
    // These expire while they wait to be taken and the device is not told: for the service they are out of the window.
    for (const n of range(WINDOW)) await a!.send({ device: b!.name }, n, { ttl: 2 });
    await expect.poll(() => receiver.waiting).toBe(WINDOW);
    line.down();
    await state(receiver, "offline");
    await expect.poll(async () => (await b!.status()).is(200).held_bytes, { timeout: 10_000 }).toBe(0);
    line.up();
    await state(receiver, "online");
    const ids: string[] = [];
    for (const n of range(WINDOW)) ids.push(await a!.send({ device: b!.name }, WINDOW + n));
    await repeated(a!, ids[0]!);
    expect(receiver.waiting).toBe(WINDOW);
    const seen = await payloads(receiver, 2 * WINDOW);
    expect(seen.toSorted((x, y) => Number(x) - Number(y))).toEqual(range(2 * WINDOW));
    for (const id of ids) expect((await a!.settled(id)).summary).toEqual({ delivered: 1 });
  });

  test.each([
    ["ahead", 1],
    ["behind", -1],
  ])("a clock that is wrong changes nothing: a day %s", async (_, days) => {
    const [a, b] = await relay.devices(2);
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + days * 86_400_000);
    const [sender, receiver] = [client(relay.url, a!), client(relay.url, b!)];
    await Promise.all([state(sender, "online"), state(receiver, "online")]);
    const fast = sender.publish(`@${b!.name}`, "fast", { ttl: 60, wait: 10 });
    (await next(receiver)).ack("at once");
    expect((await within("the answer", fast)).deliveries).toMatchObject([{ state: "delivered", reply: "at once" }]);

    const { id } = await within("the answer", sender.publish(`@${b!.name}`, "slow", { ttl: 60, wait: 0 }));
    (await next(receiver)).ack("later");
    const receipt = await within("the receipt", sender.receipts().next());
    expect(receipt.value).toMatchObject({ id, state: "delivered", reply: "later" });
  });
});
