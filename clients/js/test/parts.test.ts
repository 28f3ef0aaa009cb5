// Parts of the library alone, where the real service would take too long to bring them to their bounds.

import { describe, expect, test } from "vitest";

import { Backoff } from "../src/backoff.js";
import { Inbox } from "../src/inbox.js";
import { depth, elements, member } from "../src/json.js";
import { decode, encode } from "../src/payload.js";
import type { TagpostError } from "../src/index.js";
import { Receipts } from "../src/receipts.js";
import { failure, range, within } from "./support.ts";

test("pauses double up to half a minute, and start anew", () => {
  const longest = new Backoff(() => 1);
  expect(range(8).map(() => longest.next())).toEqual([1e3, 2e3, 4e3, 8e3, 16e3, 30e3, 30e3, 30e3]);
  longest.reset();
  expect(longest.next()).toBe(1e3);
  const half = new Backoff(() => 0.5);
  expect(range(3).map(() => half.next())).toEqual([500, 1e3, 2e3]);
});

/** A payload after its way over the wire. */
function carried(payload: unknown, type?: string): unknown {
  const { json, ...rest } = encode(payload, type);
  return decode({ payload: JSON.parse(json), ...rest });
}

describe("payloads", () => {
  test("bytes of any view and length survive the wire", () => {
    for (const length of [0, 1, 2, 3, 8_191, 8_192, 8_193, 70_000]) {
      const bytes = Uint8Array.from(range(length));
      expect(carried(bytes)).toEqual(bytes);
      expect(carried(bytes.buffer)).toEqual(bytes);
    }
    const part = new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2);
    expect(carried(part)).toEqual(Uint8Array.of(2, 3));
  });

  test("invalid JSON is an error that names the field", () => {
    for (const payload of [undefined, () => {}, Symbol("x")]) {
      expect(() => encode(payload)).toThrow("payload must be JSON, a string or bytes");
    }
  });

  test("a string of a type of JSON is the text of JSON, and of no other type", () => {
    for (const type of ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/geo+json"]) {
      expect(encode('{"a": 1.0}', type)).toEqual({ json: '{"a": 1.0}' });
      expect(() => encode("{a}", type)).toThrow(new TypeError("payload must be the text of JSON, as type says"));
      expect(encode({ a: 1 }, type)).toEqual({ json: '{"a":1}' });
    }
    for (const type of [undefined, "text/plain", "text/json", "application/jsonl", "text/plain; of=application/json"]) {
      expect(encode('{"a": 1.0}', type)).toEqual({ json: '"{\\"a\\": 1.0}"' });
    }
  });

  test("text that was cut inside a character is an error that says so", () => {
    const cut = "no more tea: 🍵".slice(0, -1);
    expect(() => encode(cut)).toThrow(new TypeError("payload is not valid Unicode: it was cut in the middle of a character"));
    expect(() => encode(`"${cut}"`, "application/json")).toThrow("payload is not valid Unicode");
    expect(carried({ cut })).toEqual({ cut });
  });
});

const SEEN = '{"type":"receipts_seen","seq":';

/** Receipts with what they send, and how often they asked for a new connection. */
function receipts() {
  const sent: string[] = [];
  const all = { sent, renewed: 0, online: true };
  const send = (text: string) => all.online && sent.push(text) > 0;
  const receipts = new Receipts(send, () => all.renewed++);
  const take = (from: number, to: number) => {
    for (let seq = from; seq <= to; seq++) receipts.take({ type: "receipt", seq } as any, "{}");
  };
  return Object.assign(all, { receipts, take });
}

describe("receipts", () => {
  test("those beyond a thousand are left with the service, and fetched once the others are seen", async () => {
    const all = receipts();
    all.take(1, 1_500);
    const iteration = all.receipts.receipts();
    for (const n of range(1_000)) expect((await within("a receipt", iteration.next())).value).toMatchObject({ seq: n + 1 });
    expect(all.renewed).toBe(0);
    const rest = iteration.next();
    await within("the last to be told", expect.poll(() => all.sent.at(-1)).toBe(`${SEEN}1000}`));
    expect(all.renewed).toBe(1);
    expect(all.sent, "told in batches").toHaveLength(20);

    all.receipts.welcome();
    all.take(990, 1_500);
    expect((await within("the next", rest)).value).toMatchObject({ seq: 1_001 });
  });

  test("receipts seen while offline are confirmed on the next connection", async () => {
    const all = receipts();
    all.take(1, 2);
    all.online = false;
    const iteration = all.receipts.receipts();
    await iteration.next();
    await iteration.next();
    expect(all.sent).toEqual([]);
    all.online = true;
    all.receipts.welcome();
    expect(all.sent, "the second is not seen yet").toEqual([`${SEEN}1}`]);
  });

  test("only one may take them at a time", async () => {
    const { receipts: all, take } = receipts();
    take(1, 2);
    const first = all.receipts();
    await first.next();
    await expect(all.receipts().next()).rejects.toThrow("receipts are taken already");
    await first.return();
    expect((await all.receipts().next()).value).toMatchObject({ seq: 1 });
  });
});

/** An inbox with what it sends, whose service answers a `ping` when it is told to. */
function answering() {
  const all = { sent: [] as string[], online: true, pongs: [] as (() => void)[], refused: [] as [id: string, code: string][] };
  const inbox = new Inbox(
    (text: string) => all.online && all.sent.push(text) > 0,
    (onPong: () => void) => all.online && all.pongs.push(onPong) > 0,
    (id: string, { code }: TagpostError) => all.refused.push([id, code]),
  );
  inbox.welcome({ max_in_flight: 32 });
  const take = (id: string, payload: unknown = 1) => {
    const frame = { type: "message", id, payload };
    inbox.take(frame, JSON.stringify(frame));
  };
  const next = async () => (await within("a message", inbox.messages().next())).value!;
  return Object.assign(all, { inbox, take, next, welcome: () => inbox.welcome({ max_in_flight: 32 }) });
}

describe("answers", () => {
  test("an answer given while offline is repeated on each connection until the service has it", async () => {
    // The service may have sent the message for the last time, and would not ask again.
    const all = answering();
    all.take("1");
    const message = await all.next();
    all.online = false;
    const given = message.nack("late");
    expect(all.sent).toEqual([]);
    all.online = true;
    all.welcome();
    all.welcome();
    expect(all.sent).toEqual(Array(2).fill('{"type":"nack","reason":"late","id":"1","ref":"1"}'));
    all.pongs.at(-1)!();
    await within("the answer to be given", given);
    all.welcome();
    expect(all.sent).toHaveLength(2);
  });

  test("one ping at a time asks for all that were given before it", async () => {
    const all = answering();
    const settled: string[] = [];
    const answer = async (id: string) => {
      all.take(id);
      (await all.next()).ack().then(() => settled.push(id));
    };
    for (const id of ["1", "2", "3"]) await answer(id);
    expect(all.pongs).toHaveLength(1);
    all.pongs[0]!();
    await expect.poll(() => settled).toEqual(["1"]);
    expect(all.pongs).toHaveLength(2);
    all.pongs[1]!();
    await expect.poll(() => settled).toEqual(["1", "2", "3"]);
    expect(all.pongs).toHaveLength(2);
  });

  test("one that is refused is an error, and another can be given", async () => {
    const all = answering();
    all.take("1");
    const message = await all.next();
    const refused = failure(message.ack("x"));
    expect(all.inbox.refused({ ref: "1", code: "bad_frame", detail: "no" })).toBe(true);
    expect(await refused).toMatchObject({ code: "bad_frame", message: "bad_frame: no" });
    expect(all.refused).toEqual([["1", "bad_frame"]]);
    expect(all.inbox.refused({ ref: "2", code: "bad_frame", detail: "of a publish" })).toBe(false);
    void message.nack();
    expect(all.sent.at(-1)).toBe('{"type":"nack","id":"1","ref":"1"}');
  });

  test("an answer that is refused later is reported, and its message is shown again", async () => {
    const all = answering();
    all.take("1");
    const given = (await all.next()).ack("x");
    all.pongs[0]!();
    await within("the answer to be given", given);
    expect(all.inbox.refused({ ref: "1", code: "bad_frame", detail: "no" })).toBe(true);
    expect(all.refused).toEqual([["1", "bad_frame"]]);
    all.take("1");
    const again = (await all.next()).nack("y");
    expect(all.sent.at(-1)).toBe('{"type":"nack","reason":"y","id":"1","ref":"1"}');
    all.pongs[1]!();
    await within("the second answer to be given", again);
    expect(all.refused).toHaveLength(1);
  });

  test("the pong after a refused answer does not confirm the next", async () => {
    const all = answering();
    all.take("1");
    const message = await all.next();
    const refused = failure(message.ack());
    all.inbox.refused({ ref: "1", code: "bad_frame", detail: "no" });
    expect(await refused).toMatchObject({ code: "bad_frame" });
    let isGiven = false;
    const given = message.nack().then(() => (isGiven = true));
    all.pongs[0]!();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(isGiven).toBe(false);
    all.pongs[1]!();
    await within("the answer to be given", given);
  });

  test("answers that are not awaited leave no unhandled rejection, however they fail", async () => {
    const all = answering();
    for (const id of ["1", "2", "3"]) all.take(id);
    const [first, second, third] = [await all.next(), await all.next(), await all.next()];
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on("unhandledRejection", note);
    try {
      void first.ack();
      const waited = failure(second.ack());
      void third.ack();
      expect(all.inbox.refused({ ref: "3", code: "bad_frame", detail: "no" })).toBe(true);
      expect(() => third.nack("x".repeat(257))).toThrow(RangeError);
      all.inbox.end();
      void first.nack();
      expect(await waited).toMatchObject({ code: "closed" });
      await new Promise((resolve) => setTimeout(resolve, 0));
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  test("the ids of a thousand messages are remembered, older ones are not", async () => {
    const all = answering();
    for (const n of range(1_025)) {
      all.take(`${n}`, n);
      void (await all.next()).ack(n);
      all.pongs.at(-1)?.();
    }
    const before = all.sent.length;
    all.take("1");
    expect(all.sent.slice(before)).toEqual(['{"type":"ack","reply":1,"id":"1","ref":"1"}']);
    expect(all.inbox.size).toBe(0);
    all.take("0");
    expect(all.inbox.size).toBe(1);
  });
});

describe("the text of JSON", () => {
  const tricky = String.raw`{ "a" : [1.0e+2, {"b":"}]\"\\"}, "\"," ], "p\u0061yload":"not\\\"this}", "n" : {"n":1724442618569203714,"s":"\\"} ,"z":null}`;

  test("a member is found as it is written, whatever the strings before it contain", () => {
    expect(JSON.parse(tricky)).toMatchObject({ a: [100, { b: '}]"\\' }, '",'], payload: 'not\\"this}' });
    expect(member(tricky, "a")).toBe(String.raw`[1.0e+2, {"b":"}]\"\\"}, "\"," ]`);
    expect(member(tricky, "payload")).toBe(String.raw`"not\\\"this}"`);
    expect(member(tricky, "n")).toBe(String.raw`{"n":1724442618569203714,"s":"\\"}`);
    expect(member(tricky, "z")).toBe("null");
    expect(member(tricky, "b")).toBeUndefined();
    for (const empty of ["{}", "{ }", '{"a":{}}']) expect(member(empty, "b")).toBeUndefined();
  });

  test("elements are the text between the commas", () => {
    expect([...elements('[ 1.0 ,"a,]" , [2,[3]],{"b":4}]')]).toEqual(["1.0", '"a,]"', "[2,[3]]", '{"b":4}']);
    for (const empty of ["[]", "[ ]"]) expect([...elements(empty)]).toEqual([]);
  });

  test("depth counts how deep it is nested, and no depth is too much", () => {
    expect(["1", '"[["', "[]", '[{"a":[]},[]]'].map(depth)).toEqual([0, 0, 1, 3]);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(depth(deep)).toBe(100_000);
    expect(member(`{"a":${deep},"b":1}`, "b")).toBe("1");
  });
});
