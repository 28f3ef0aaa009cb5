// A message to the devices that match an expression: `hallway & !muted`, over HTTP and in frames.

import { readFileSync } from "node:fs";

import { beforeAll, describe, expect, test } from "vitest";

import { fresh, useRelay, type Answer, type Device } from "./harness/index.ts";

const METER = { name: "meter.js", script: readFileSync("bench/meter.js", "utf8") };
const relay = useRelay({ wrap: METER });

/** Two rooms of two devices each; one of each is muted. */
const [HALL, ROOM, MUTED] = [fresh("hall"), fresh("room"), fresh("muted")];
let sender: Device, hall: Device, quietHall: Device, room: Device, quietRoom: Device;

beforeAll(async () => {
  [sender, hall, quietHall, room, quietRoom] = (await relay.devices(5)) as [Device, Device, Device, Device, Device];
  for (const device of [hall, quietHall]) await relay.bind(HALL, device);
  for (const device of [room, quietRoom]) await relay.bind(ROOM, device);
  for (const device of [quietHall, quietRoom]) await relay.bind(MUTED, device);
});

const publish = (to: string, by = sender, headers: Record<string, string> = {}): Promise<Answer> =>
  by.request("POST", "/v1/messages", { headers: { To: to, Prefer: "wait=0", ...headers }, body: "x" });
const reached = ({ deliveries }: any): string[] => deliveries.map(({ device }: any) => device).sort();
const names = (...devices: Device[]): string[] => devices.map(({ name }) => name).sort();
const queries = async () => (await relay.request("GET", "/v1/meter")).is(200).d1_queries;

describe("an expression", () => {
  test("goes to the devices that match, with one query each, over HTTP and in a frame", async () => {
    const socket = await sender.connect();
    for (const [to, devices] of [
      [HALL, [hall, quietHall]],
      [`${HALL} & !${MUTED}`, [hall]],
      [`(${HALL} | ${ROOM}) & ${MUTED}`, [quietHall, quietRoom]],
      [`${HALL} & !${MUTED} | @${room.name}`, [hall, room]],
      [`(${HALL} | ${ROOM}) & !(${MUTED} | @${hall.name})`, [room]],
    ] as [string, Device[]][]) {
      const before = await queries();
      const answer = (await publish(to)).is(202);
      expect((await queries()) - before, to).toBe(1);
      expect(reached(answer), to).toEqual(names(...devices));
      expect(answer.to).toEqual({ match: to });

      socket.send({ type: "publish", ref: "f", to: { match: to }, payload: "x", wait: 0 });
      const published = await socket.next("published");
      expect(published.ref).toBe("f");
      expect(reached(published), to).toEqual(names(...devices));
      expect((await queries()) - before, to).toBe(2);
    }
    // Frames of all kinds that come together keep their order.
    const targets = [{ match: `${HALL} & !${MUTED}` }, { tag: HALL }, { device: room.name }, { match: ROOM }];
    targets.forEach((to, n) => socket.send({ type: "publish", ref: `${n}`, to, payload: n, wait: 0 }));
    for (const n of targets.keys()) expect((await socket.next("published")).ref).toBe(`${n}`);
  });

  test("is in the trace, in the message and in its listing, as it was written", async () => {
    const to = `${ROOM}&  !${MUTED}`;
    const answer = await publish(to, sender, { "Idempotency-Key": "expression" });
    const { id } = answer.is(202);
    expect(answer.headers.get("location")).toBe(`messages/${id}`);
    const trace = await sender.request("GET", new URL(`messages/${id}`, "http://relay/v1/messages").pathname);
    expect(trace.is(200).to).toEqual({ match: to });
    const listed = (await sender.request("GET", "/v1/messages?limit=1")).is(200).messages;
    expect(listed[0]).toMatchObject({ id, to: { match: to } });
    const waiting = (await room.request("GET", `/v1/devices/${room.name}/inbox?limit=1000`)).is(200).messages;
    expect(waiting.find((message: any) => message.id === id).to).toEqual({ match: to });
    expect((await room.inbox({ limit: 1000 })).find((message) => message.id === id)!.to).toEqual({ match: to });

    const repeated = await publish(to, sender, { "Idempotency-Key": "expression" });
    expect(repeated.is(202).id).toBe(id);
    (await publish(`${ROOM} & !${MUTED}`, sender, { "Idempotency-Key": "expression" })).problem(422, "idempotency_mismatch");
  });

  test("that matches no device, or only the sender, is an unknown tag", async () => {
    for (const to of [`${HALL} & ${ROOM}`, fresh("nowhere"), `@${fresh("nobody")}`, `${HALL} & !${HALL}`]) {
      expect((await publish(to)).problem(404, "unknown_tag").detail, to).toContain(to);
    }
    const alone = `${HALL} & !${MUTED}`;
    expect((await publish(alone, hall)).problem(404, "unknown_tag").detail).toContain("only the sender");
    expect(reached((await publish(alone, hall, { Echo: "true" })).is(202))).toEqual(names(hall));
    expect(reached((await publish(HALL, hall)).is(202))).toEqual(names(quietHall));
  });

  test("with an error is refused with its position, over HTTP and in a frame", async () => {
    const socket = await sender.connect();
    for (const [to, at] of [
      [`!${MUTED}`, 1],
      ["a | !b", 5],
      ["a & (b", 7],
      ["a b", 3],
      ["a & b*", 5],
      ["a|b|c|d|e|f|g|h|i", 17],
      [`${"(".repeat(127)}a${")".repeat(127)} b`, 257],
    ] as const) {
      const { detail } = (await publish(to)).problem(400, "bad_request");
      expect(detail, to).toMatch(new RegExp(`^To is wrong at character ${at}: `));
      socket.send({ type: "publish", ref: "r", to: { match: to }, payload: 1 });
      const error = await socket.next("error");
      expect(error).toMatchObject({ code: "bad_frame", ref: "r" });
      expect(error.detail).toBe(detail.replace("To is", "to.match is"));
    }
    const missing = await sender.request("POST", "/v1/messages", { body: "x" });
    expect(missing.problem(400, "bad_request").detail).toContain("To is wrong at character 1");
    await socket.close();
  });

  test("names nothing that the token may not publish to, not even negated", async () => {
    const limited = await relay.device(undefined, { publish: [HALL, `@${room.name}`] });
    (await publish(`${HALL} | @${room.name}`, limited)).is(202);
    const socket = await limited.connect();
    for (const to of [`${HALL} & !${MUTED}`, `${HALL} | ${ROOM}`, `${HALL} & !@${quietHall.name}`]) {
      (await publish(to, limited)).problem(403, "forbidden");
      socket.send({ type: "publish", ref: "r", to: { match: to }, payload: 1 });
      expect(await socket.next("error")).toMatchObject({ code: "forbidden", ref: "r" });
    }
    (await relay.request("POST", "/v1/messages", { token: relay.adminKey, body: "x" })).problem(403, "forbidden");
  });
});
