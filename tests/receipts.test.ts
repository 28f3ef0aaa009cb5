// Every terminal state that the publish's answer did not carry reaches the sender as a receipt, until it has seen it.

import { describe, expect, test } from "vitest";

import { deliverLate, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("receipts", () => {
  test("a sender that is online gets the receipt with the reply", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await deliverLate(sender!, receiver!, receiving, { opened: true });
    expect(await socket.next("receipt")).toEqual({
      type: "receipt",
      seq: expect.any(Number),
      id,
      device: receiver!.name,
      state: "delivered",
      at: expect.any(Number),
      reply: { opened: true },
    });
  });

  test("receipts_seen is cumulative: only receipts after the last seen seq come again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const receipts = [];
    for (let n = 0; n < 4; n++) {
      await deliverLate(sender!, receiver!, receiving);
      receipts.push(await socket.next("receipt"));
    }
    socket.send({ type: "receipts_seen", seq: receipts[2]!.seq });
    await socket.close();
    const again = await sender!.connect();
    expect(await again.next("receipt")).toEqual(receipts[3]);
    again.send({ type: "receipts_seen", seq: receipts[3]!.seq });
    await again.close();

    const last = await sender!.connect();
    const id = await deliverLate(sender!, receiver!, receiving);
    const receipt = await last.next("receipt");
    expect(receipt.id).toBe(id);
    expect(receipt.seq).toBeGreaterThan(receipts[3]!.seq);
  });

  test("the trace keeps the content of a receipt after it was seen", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await deliverLate(sender!, receiver!, receiving, "kept");
    const { seq } = await socket.next("receipt");
    socket.send({ type: "receipts_seen", seq });
    await socket.close();
    expect((await sender!.trace(id)).is(200).deliveries).toMatchObject([{ state: "delivered", reply: "kept" }]);
  });

  test("receipts go to the sender alone", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const [receiving, otherSocket] = [await receiver!.connect(), await other!.connect()];
    await deliverLate(sender!, receiver!, receiving);
    await Promise.all([receiving.ping(), otherSocket.ping()]);
    expect([...receiving.seen, ...otherSocket.seen].filter(({ type }) => type === "receipt")).toEqual([]);
  });
});
