// `Prefer: wait=N`: how long a publish waits for the acknowledgement of devices that are online.

import { describe, expect, test } from "vitest";

import { useRelay, within } from "./harness/index.ts";

const relay = useRelay();

/** Milliseconds: half the longest wait, which an answer that comes early does not take. */
const HALF = 30_000;

describe.concurrent("Prefer: wait", () => {
  test("wait=0 answers 202 sent without waiting, and the acknowledgement comes as a receipt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];

    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 0 });
    const message = answer.is(202);
    expect(message.deliveries).toMatchObject([{ state: "sent", attempts: 1 }]);
    expect(message.summary).toEqual({ sent: 1 });

    receiving.ack((await receiving.next("message")).id, { late: true });
    expect(await socket.next("receipt")).toMatchObject({
      id: message.id,
      device: receiver!.name,
      state: "delivered",
      reply: { late: true },
    });
  });

  test("an acknowledgement within the wait is in the answer", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, {}, { wait: 60 });
    const { id } = await socket.next("message");
    // Longer than the default wait, so that only the header explains the answer.
    setTimeout(() => socket.ack(id, "slow"), 2000);
    const answer = await within(HALF, publish);
    expect(answer.is(200).deliveries).toMatchObject([{ state: "delivered", reply: "slow" }]);
  });

  test("without an acknowledgement, the answer comes when the wait is over", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 2 });
    expect(answer.is(202).deliveries).toMatchObject([{ state: "sent", attempts: 1 }]);
    expect(answer.took).toBeGreaterThan(1900);
  });

  test("without the header the wait is one second", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    const answer = await sender!.publish({ device: receiver!.name }, {});
    expect(answer.is(202).summary).toEqual({ sent: 1 });
    expect(answer.took).toBeGreaterThan(900);
  });

  test("a device that is offline is not waited for", async () => {
    const [sender, receiver] = await relay.devices(2);
    const answer = await within(HALF, sender!.publish({ device: receiver!.name }, {}, { wait: 60 }));
    expect(answer.is(202).summary).toEqual({ held: 1 });
  });

  test.each(["respond-async, wait=60", "WAIT=60; foo=bar", 'wait="60"', "handling=lenient,  wait=60"])(
    "a wait among other preferences, or spelt otherwise, is taken: %s",
    async (prefer) => {
      const [sender, receiver] = await relay.devices(2);
      const socket = await receiver!.connect();
      const publish = sender!.publish({ device: receiver!.name }, {}, { headers: { Prefer: prefer } });
      const { id } = await socket.next("message");
      // After the default wait the answer would be `sent`.
      setTimeout(() => socket.ack(id), 2000);
      expect((await within(HALF, publish)).is(200).summary).toEqual({ delivered: 1 });
    },
  );

  test("a connection that breaks within the wait leaves the message for the next one", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "x", { wait: 5 });
    const { id } = await socket.next("message");
    socket.terminate();
    const again = await receiver!.connect();
    const message = await again.next("message");
    expect(message).toMatchObject({ id, attempt: 2 });
    again.ack(id);
    const answer = await publish;
    expect([200, 202], `${answer}`).toContain(answer.status);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
  });
});
