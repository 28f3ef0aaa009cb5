// Escalate: a message that too few devices acknowledge in time goes to further devices.

import { describe, expect, test } from "vitest";

import { fresh, mint, seconds, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

/** The steps of the escalation in a trace. */
const steps = (timeline: any[]) => timeline.filter(({ device }) => device === undefined).map(({ at, ...step }) => step);

describe.concurrent("escalation", () => {
  test("the devices of the step's tag get a message that nobody has acknowledged, and the trace tells it", async () => {
    const [sender, phone, manager] = (await relay.devices(3)) as [Device, Device, Device];
    const [onCall, managers] = [await relay.tag(phone), fresh("tag")];
    const [ringing, answering, monitor] = await Promise.all([phone.connect(), manager.connect(), sender.connect()]);
    const headers = { Escalate: `${managers};after=2, nobody;after=4`, "Acks-Needed": "1" };
    const { id, accepted_at } = (await sender.publish({ tag: onCall }, "pump", { wait: 0, headers })).is(202);
    expect((await ringing.next("message")).id).toBe(id);
    // The tag is looked up when the step is taken.
    await Promise.all([relay.bind(managers, manager), relay.bind(managers, phone)]);
    const message = await answering.next("message");
    expect(message).toMatchObject({ id, to: { tag: onCall }, payload: "pump", sent_at: accepted_at });
    answering.ack(id, "I go");
    expect(await ringing.next("withdrawn")).toMatchObject({ id, reason: "enough" });
    const receipts = [await monitor.next("receipt"), await monitor.next("receipt")];
    expect(receipts.map(({ device, state, reply }) => [device, state, reply])).toEqual([
      [manager.name, "delivered", "I go"],
      [phone.name, "cancelled", undefined],
    ]);
    const trace = (await sender.trace(id)).is(200);
    expect(trace).toMatchObject({ acks_needed: 1, enough_at: expect.any(Number), summary: { delivered: 1, cancelled: 1 } });
    // The second step was dropped.
    expect(steps(trace.timeline)).toEqual([{ event: "escalated", to: { tag: managers }, devices: 1 }]);
    const [taken] = trace.timeline.filter(({ event }: any) => event === "escalated");
    expect(taken.at - accepted_at).toBeGreaterThanOrEqual(2_000);
    expect(taken.at - accepted_at).toBeLessThan(5_000);
  });

  test("a frame asks for it, a waiting publish has the new deliveries, and a step to nobody is told", async () => {
    const [sender, phone, boss] = (await relay.devices(3)) as [Device, Device, Device];
    const [tag, nobody] = [await relay.tag(phone), fresh("tag")];
    const [socket] = await Promise.all([sender.connect(), phone.connect()]);
    (await boss.connect()).answer();
    const escalate = [{ to: { tag: nobody }, after: 1 }, { to: { device: boss.name }, after: 2 }];
    socket.send({ type: "publish", ref: "1", to: { tag }, payload: "pump", wait: 30, acks_needed: 1, escalate });
    const { id, summary } = await socket.next("published", 10_000);
    expect(summary).toEqual({ delivered: 1, cancelled: 1 });
    expect(steps((await sender.trace(id)).is(200).timeline)).toEqual([
      { event: "escalation_failed", to: { tag: nobody }, code: "unknown_tag" },
      { event: "escalated", to: { device: boss.name }, devices: 1 },
    ]);
  });

  test("a publish of which a step is left is answered 202, and one that is acknowledged in time 200", async () => {
    const [sender, phone] = (await relay.devices(2)) as [Device, Device];
    const headers = { Escalate: `@${sender.name};after=2` };
    const socket = await phone.connect();
    const refused = sender.publish({ device: phone.name }, "no", { wait: 10, headers });
    socket.nack((await socket.next("message")).id);
    // It does not wait for its time, since nobody else can acknowledge the message.
    expect((await refused).is(202)).toMatchObject({ summary: { rejected: 1 } });
    const taken = sender.publish({ device: phone.name }, "yes", { wait: 10, headers });
    socket.ack((await socket.next("message")).id);
    expect((await taken).is(200)).toMatchObject({ summary: { delivered: 1 } });
    expect(await (await sender.connect()).next("message")).toMatchObject({ payload: "no" });
  });

  test("a wrong header or field is named, and a step to what the token may not publish to is refused", async () => {
    const [sender, phone] = (await relay.devices(2)) as [Device, Device];
    const to = { device: phone.name };
    for (const [escalate, detail] of [
      ["managers", "step 1 of Escalate must be a target and a time, such as managers;after=60"],
      ["a;after=60, b;after=60", "after of step 2 of Escalate must be greater than 60, that of the step before"],
      ["a;after=86400", "after of step 1 of Escalate must be a whole number from 1 to 86399"],
    ] as const) {
      const refused = (await sender.publish(to, "x", { headers: { Escalate: escalate } })).problem(400, "bad_request");
      expect(refused.detail).toBe(detail);
    }
    const socket = await sender.connect();
    socket.send({ type: "publish", ref: "1", to, payload: 1, escalate: [{ to: { tag: "a" }, after: 0 }] });
    expect(await socket.next("error")).toMatchObject({
      ref: "1",
      code: "bad_frame",
      detail: "escalate[0].after must be a whole number from 1 to 86399",
    });
    const claims = { sub: sender.name, iat: seconds(), publish: [`@${phone.name}`, "team"] };
    const limited = relay.bearer(sender.name, mint(relay.tokenKey, claims));
    const headers = { Escalate: "team;after=1, boss;after=2" };
    const forbidden = (await limited.publish(to, "x", { headers })).problem(403, "forbidden");
    expect(forbidden.detail).toBe("the token may not publish to the target of step 2 of the escalation");
    expect((await phone.status()).is(200).held).toBe(0);
  });
});
