// One publish to a tag reaches each of its devices, and says what became of each.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("tag", () => {
  test("a publish reaches every device of the tag and sums up their states", async () => {
    const [sender, acking, refusing, offline] = await relay.devices(4);
    const tag = await relay.tag(acking!, refusing!, offline!);
    const [a, b] = [await acking!.connect(), await refusing!.connect()];
    a.answer(() => "here");

    const publish = sender!.publish({ tag }, { n: 1 }, { wait: 10 });
    const message = await b.next("message");
    b.nack(message.id, "busy");
    const answer = (await publish).is(202);

    const byDevice = Object.fromEntries(answer.deliveries.map((delivery: any) => [delivery.device, delivery]));
    expect(byDevice).toMatchObject({
      [acking!.name]: { state: "delivered", reply: "here", attempts: 1 },
      [refusing!.name]: { state: "rejected", reason: "busy", attempts: 1 },
      [offline!.name]: { state: "held", attempts: 0 },
    });
    expect(answer.deliveries).toHaveLength(3);
    expect(answer.summary).toEqual({ delivered: 1, rejected: 1, held: 1 });
    expect(answer.to).toEqual({ tag });
    expect(message).toMatchObject({ id: answer.id, to: { tag } });
    expect((await a.next("message")).id).toBe(answer.id);
    expect((await (await offline!.connect()).next("message")).id).toBe(answer.id);
  });

  test("a publish is answered 200 once the last device has settled", async () => {
    const [sender, ...receivers] = await relay.devices(5);
    const tag = await relay.tag(...receivers);
    for (const receiver of receivers) (await receiver.connect()).answer();
    const answer = (await sender!.publish({ tag }, {}, { wait: 10 })).is(200);
    expect(answer.summary).toEqual({ delivered: 4 });
  });

  test("a device that is in its own tag gets its own message if it asks for it", async () => {
    const [device, other] = await relay.devices(2);
    const tag = await relay.tag(device!, other!);
    (await device!.connect()).answer(() => "me");
    (await other!.connect()).answer(() => "you");

    const echo = { wait: 10, headers: { Echo: "true" } };
    const answer = (await device!.publish({ tag }, {}, echo)).is(200);

    const replies = answer.deliveries.map(({ device, reply }: any) => [device, reply]);
    expect(Object.fromEntries(replies)).toEqual({ [device!.name]: "me", [other!.name]: "you" });
  });

  test("a device can publish to itself while it is offline and find the message when it connects", async () => {
    const device = await relay.device();
    const id = await device.send({ device: device.name }, "note to self");
    const socket = await device.connect();
    expect(await socket.next("message")).toMatchObject({ id, from: device.name, payload: "note to self" });
    socket.ack(id);
    expect(await socket.next("receipt")).toMatchObject({ id, device: device.name, state: "delivered" });
  });

  test("two devices that publish to each other at the same time both get their answer", async () => {
    const [a, b] = await relay.devices(2);
    (await a!.connect()).answer(() => "from a");
    (await b!.connect()).answer(() => "from b");
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => [
        a!.publish({ device: b!.name }, n, { wait: 10 }),
        b!.publish({ device: a!.name }, n, { wait: 10 }),
      ]).flat(),
    );
    const replies = answers.map((answer) => answer.is(200).deliveries[0].reply);
    expect(replies.filter((reply) => reply === "from b")).toHaveLength(10);
    expect(replies.filter((reply) => reply === "from a")).toHaveLength(10);
  });

  test("a device that was unbound is not reached any more", async () => {
    const [sender, staying, leaving] = await relay.devices(3);
    const tag = await relay.tag(staying!, leaving!);
    await relay.unbind(tag, leaving!);
    const answer = (await sender!.publish({ tag }, {}, { wait: 0 })).is(202);
    expect(answer.deliveries.map((delivery: any) => delivery.device)).toEqual([staying!.name]);
  });

  test("a message stays with the devices that the tag had when it was accepted", async () => {
    const [sender, first, later] = await relay.devices(3);
    const tag = await relay.tag(first!);
    const id = await sender!.send({ tag }, "early");
    await relay.bind(tag, later!);
    const socket = await later!.connect();
    const next = await sender!.send({ tag }, "late");
    expect((await socket.next("message")).id).toBe(next);
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.deliveries.map((delivery: any) => delivery.device)).toEqual([first!.name]);
  });
});
