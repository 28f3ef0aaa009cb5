// The trace: all deliveries of one message, with the time of every step, for its sender and the operator.

import { describe, expect, test } from "vitest";

import { until, useRelay, within } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("trace", () => {
  test("it repeats the publish's answer and adds the timeline", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer(() => "yes");
    const answer = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    const trace = (await sender!.trace(answer.id)).is(200);
    expect(trace).toEqual({ ...answer, timeline: expect.any(Array) });
    expect(trace.timeline.at(-1)).toEqual({
      device: receiver!.name,
      event: "delivered",
      at: answer.deliveries[0].at,
      attempt: 1,
    });
  });

  test("its timeline has every step of a delivery in the order of time", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    const first = await receiver!.connect();
    await first.next("message");
    first.terminate();
    const second = await receiver!.connect();
    await second.next("message");
    second.ack(id);
    const trace = await sender!.settled(id);
    const steps = trace.timeline.map(({ device, event, attempt }) => [device, event, attempt]);
    expect(steps).toEqual([
      [receiver!.name, "held", 0],
      [receiver!.name, "sent", 1],
      [receiver!.name, "held", 1],
      [receiver!.name, "sent", 2],
      [receiver!.name, "delivered", 2],
    ]);
    const times = trace.timeline.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(trace.accepted_at);
    expect(trace.deliveries).toMatchObject([{ state: "delivered", at: times.at(-1), attempts: 2 }]);
  });

  test("it shows that a held message was sent, before it is acknowledged", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    await (await receiver!.connect()).next("message");
    const ask = async () => (await sender!.trace(id)).is(200);
    const trace = await until("the trace to say sent", ask, ({ summary }) => summary.sent === 1);
    expect(trace.deliveries).toMatchObject([{ state: "sent", attempts: 1 }]);
  });

  test("wait answers as soon as the last delivery has settled", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    const waiting = sender!.trace(id, 60);
    setTimeout(() => socket.ack(id), 1000);
    const answer = await within(30_000, waiting);
    expect(answer.is(200).summary).toEqual({ delivered: 1 });
  });

  test("wait answers with the current state when the time is up", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    const answer = await sender!.trace(id, 1);
    expect(answer.is(200).summary).toEqual({ held: 1 });
    expect(answer.took).toBeGreaterThan(900);
  });

  test("wait answers at once when all is settled", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer();
    const { id } = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    expect((await within(30_000, sender!.trace(id, 60))).is(200).summary).toEqual({ delivered: 1 });
  });

  test("the operator may read it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    const mine = (await sender!.trace(id)).is(200);
    expect((await relay.admin("GET", `/v1/messages/${id}`)).is(200)).toEqual(mine);
  });

  test("any other device gets 404, even the message's recipient", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const id = await sender!.send({ device: receiver!.name }, {});
    (await other!.trace(id)).problem(404, "unknown_message");
    (await receiver!.trace(id)).problem(404, "unknown_message");
  });

  test("an unknown id is 404, even for the operator", async () => {
    const device = await relay.device();
    const id = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    (await device.trace(id)).problem(404, "unknown_message");
    (await relay.admin("GET", `/v1/messages/${id}`)).problem(404, "unknown_message");
  });

  test("a wait that is not a number of seconds is refused by name", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    for (const wait of ["soon", "-1", "100000"]) {
      const answer = await sender!.request("GET", `/v1/messages/${id}?wait=${wait}`);
      expect(answer.problem(400, "bad_request").detail).toContain("wait");
    }
  });
});
