// `Prefer: wait=N`: how long a publish waits for the acknowledgement of devices that are online.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

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
    const publish = sender!.publish({ device: receiver!.name }, {}, { wait: 20 });
    const { id } = await socket.next("message");
    // Longer than the default wait, so that only the header explains the answer.
    setTimeout(() => socket.ack(id, "slow"), 2000);
    const answer = await publish;
    expect(answer.is(200).deliveries).toMatchObject([{ state: "delivered", reply: "slow" }]);
    expect(answer.took).toBeLessThan(10_000);
  });

  test("when nobody acknowledges, the answer comes when the wait is over", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 2 });
    expect(answer.is(202).deliveries).toMatchObject([{ state: "sent", attempts: 1 }]);
    expect(answer.took).toBeGreaterThan(1900);
    expect(answer.took).toBeLessThan(6000);
  });

  test("without the header the wait is one second", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    const answer = await sender!.publish({ device: receiver!.name }, {});
    expect(answer.is(202).summary).toEqual({ sent: 1 });
    expect(answer.took).toBeGreaterThan(900);
    expect(answer.took).toBeLessThan(5000);
  });

  test("a device that is offline is not waited for", async () => {
    const [sender, receiver] = await relay.devices(2);
    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 60 });
    expect(answer.is(202).summary).toEqual({ held: 1 });
    expect(answer.took).toBeLessThan(5000);
  });

  test("other preferences and other spellings of the header are no obstacle", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    for (const prefer of ["respond-async, wait=0", "WAIT=0; foo=bar", 'wait="0"', "handling=lenient,  wait=0"]) {
      const answer = await sender!.publish({ device: receiver!.name }, {}, { headers: { Prefer: prefer } });
      expect(answer.is(202).summary, prefer).toEqual({ sent: 1 });
      expect(answer.took, prefer).toBeLessThan(900);
    }
  });

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
