// Acks-Needed: once enough devices have acknowledged a message, it is taken back from the others.

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

/** A sender, and devices of one tag. */
async function tagged(count: number): Promise<[Device, { tag: string }, Device[]]> {
  const [sender, ...devices] = (await relay.devices(count + 1)) as [Device, ...Device[]];
  return [sender, { tag: await relay.tag(...devices) }, devices];
}

const needs = (count: number) => ({ headers: { "Acks-Needed": `${count}` } });

describe.concurrent("first answer wins", () => {
  test("the publish is answered when the first device has acknowledged, and the others are cancelled", async () => {
    const [sender, to, [first, ringing, offline]] = await tagged(3);
    const [answering, waiting] = await Promise.all([first!.connect(), ringing!.connect()]);
    const began = Date.now();
    const answer = sender.publish(to, "pump", { wait: 30, ...needs(1) });
    const { id } = await waiting.next("message");
    answering.send({ type: "ack", id: (await answering.next("message")).id, reply: "I go" });
    const trace = (await answer).is(200);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(trace).toMatchObject({ acks_needed: 1, enough_at: expect.any(Number), summary: { delivered: 1, cancelled: 2 } });
    const states = Object.fromEntries(trace.deliveries.map(({ device, state, reason }: any) => [device, [state, reason]]));
    expect(states).toEqual({
      [first!.name]: ["delivered", undefined],
      [ringing!.name]: ["cancelled", "enough"],
      [offline!.name]: ["cancelled", "enough"],
    });
    // A later acknowledgement changes nothing, and whoever comes later does not get it.
    waiting.send({ type: "ack", id });
    const end = await sender.send({ device: offline!.name }, "end");
    expect((await (await offline!.connect()).next("message")).id).toBe(end);
    const { timeline, ...after } = (await sender.trace(id)).is(200);
    expect(after).toEqual(trace);
    expect(timeline.filter(({ event }: any) => event === "cancelled")).toHaveLength(2);
  });

  test("an answer after the publish was answered is enough, and each delivery gets its receipt", async () => {
    const [sender, to, [first, other]] = await tagged(2);
    const socket = await sender.connect();
    socket.send({ type: "publish", ref: "1", to, payload: "pump", wait: 0, acks_needed: 1 });
    const { id, summary } = await socket.next("published");
    expect(summary).toEqual({ held: 2 });
    (await first!.connect()).answer();
    const receipts = [await socket.next("receipt"), await socket.next("receipt")];
    expect(receipts.map(({ device, state, reason }) => [device, state, reason]).sort()).toEqual(
      [[first!.name, "delivered", undefined], [other!.name, "cancelled", "enough"]].sort(),
    );
    expect((await sender.trace(id)).is(200).enough_at).toBeTypeOf("number");
    expect((await other!.status()).is(200).held).toBe(0);
  });

  test("two of three: one is not enough", async () => {
    const [sender, to, devices] = await tagged(3);
    const { id } = (await sender.publish(to, "pump", { wait: 0, ...needs(2) })).is(202);
    (await devices[0]!.connect()).answer();
    const [reached] = [await sender.trace(id, 1)];
    expect(reached!.is(200)).not.toHaveProperty("enough_at");
    (await devices[1]!.connect()).answer();
    expect((await sender.settled(id)).summary).toEqual({ delivered: 2, cancelled: 1 });
  });

  test("a number that cannot be is refused by its name", async () => {
    const [sender, to] = await tagged(1);
    for (const count of ["0", "-1", "1.5", "many", "10001", ""]) {
      const refused = (await sender.publish(to, "x", { headers: { "Acks-Needed": count } })).problem(400, "bad_request");
      expect(refused.detail).toBe("Acks-Needed must be a whole number from 1 to 10000");
    }
    const socket = await sender.connect();
    socket.send({ type: "publish", ref: "1", to, payload: 1, acks_needed: "1" });
    expect(await socket.next("error")).toMatchObject({
      code: "bad_frame",
      ref: "1",
      detail: "acks_needed must be a whole number from 1 to 10000",
    });
  });
});
