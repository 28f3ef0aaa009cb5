// Every terminal state that the publish's answer did not carry reaches the sender as a receipt, until it has seen it.

import { describe, expect, test } from "vitest";

import { deliverLate, useRelay, type Frame } from "./harness/index.ts";

const relay = useRelay();

const seqs = (receipts: Frame[]) => receipts.map(({ seq }) => seq);

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

  test("the receipt of a rejected message carries the reason", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiving.next("message");
    receiving.nack(id, "closed");
    expect(await socket.next("receipt")).toMatchObject({ id, state: "rejected", reason: "closed" });
  });

  test("each device of a tag that settles later has a receipt of its own", async () => {
    const [sender, now, later, muchLater] = await relay.devices(4);
    const tag = await relay.tag(now!, later!, muchLater!);
    const socket = await sender!.connect();
    (await now!.connect()).answer();
    const { id } = (await sender!.publish({ tag }, {})).is(202);
    (await later!.connect()).answer();
    expect(await socket.next("receipt")).toMatchObject({ id, device: later!.name, state: "delivered" });
    (await muchLater!.connect()).answer();
    expect(await socket.next("receipt")).toMatchObject({ id, device: muchLater!.name, state: "delivered" });
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 3 });
  });

  test("a sender that was offline gets the receipts when it connects", async () => {
    const [sender, receiver] = await relay.devices(2);
    const receiving = await receiver!.connect();
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await deliverLate(sender!, receiver!, receiving, n));
    const socket = await sender!.connect();
    const receipts = [await socket.next("receipt"), await socket.next("receipt"), await socket.next("receipt")];
    expect(receipts.map(({ id, reply }) => [id, reply])).toEqual(ids.map((id, n) => [id, n]));
    expect(seqs(receipts)).toEqual([...seqs(receipts)].sort((a, b) => a - b));
    expect(new Set(seqs(receipts)).size).toBe(3);
  });

  test("a receipt that was not seen comes again after a reconnect, with the same seq", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    await deliverLate(sender!, receiver!, receiving);
    const receipt = await socket.next("receipt");
    socket.terminate();
    const again = await sender!.connect();
    expect(await again.next("receipt")).toEqual(receipt);
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

  test("a receipts_seen that is older than the last one takes nothing back", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const receipts = [];
    for (let n = 0; n < 2; n++) {
      await deliverLate(sender!, receiver!, receiving);
      receipts.push(await socket.next("receipt"));
    }
    socket.send({ type: "receipts_seen", seq: receipts[1]!.seq });
    socket.send({ type: "receipts_seen", seq: receipts[0]!.seq });
    await socket.close();
    const again = await sender!.connect();
    const id = await deliverLate(sender!, receiver!, receiving);
    expect((await again.next("receipt")).id).toBe(id);
  });

  test("the trace keeps what a receipt said after it was seen", async () => {
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
