// Parts of the library alone, where the real service would take too long to bring them to their bounds.

import { describe, expect, test } from "vitest";

import { Backoff } from "../src/backoff.js";
import { Inbox } from "../src/inbox.js";
import { decode, encode } from "../src/payload.js";
import { Receipts } from "../src/receipts.js";
import { range, within } from "./support.ts";

test("pauses double up to half a minute, and start anew", () => {
  const longest = new Backoff(() => 1);
  expect(range(8).map(() => longest.next())).toEqual([1e3, 2e3, 4e3, 8e3, 16e3, 30e3, 30e3, 30e3]);
  longest.reset();
  expect(longest.next()).toBe(1e3);
  const half = new Backoff(() => 0.5);
  expect(range(3).map(() => half.next())).toEqual([500, 1e3, 2e3]);
});

describe("payloads", () => {
  test("bytes of any view and length survive the wire", () => {
    for (const length of [0, 1, 2, 3, 8_191, 8_192, 8_193, 70_000]) {
      const bytes = Uint8Array.from(range(length));
      const carried = decode(JSON.parse(JSON.stringify(encode(bytes))));
      expect(carried).toEqual(bytes);
      expect(decode(encode(bytes.buffer))).toEqual(bytes);
    }
    const part = new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2);
    expect(decode(encode(part))).toEqual(Uint8Array.of(2, 3));
  });

  test("what is no JSON is an error that names the field", () => {
    for (const payload of [undefined, () => {}, Symbol("x")]) {
      expect(() => encode(payload)).toThrow("payload must be JSON, a string or bytes");
    }
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
    for (let seq = from; seq <= to; seq++) receipts.take({ type: "receipt", seq } as any);
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

  test("what was seen without a connection is told to the next one", async () => {
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

test("an answer given without a connection is given to the next one, unasked", async () => {
  // The service may have sent it for the last time, and would not ask again.
  const sent: string[] = [];
  let online = true;
  const inbox = new Inbox((text: string) => online && sent.push(text) > 0);
  inbox.welcome({ max_in_flight: 32 });
  inbox.take({ type: "message", id: "1", payload: 1 });
  const { value: message } = await within("the message", inbox.messages().next());
  online = false;
  message?.nack("late");
  expect(sent).toEqual([]);
  online = true;
  inbox.welcome({ max_in_flight: 32 });
  inbox.welcome({ max_in_flight: 32 });
  expect(sent).toEqual(['{"type":"nack","id":"1","reason":"late"}']);
});

test("the ids of a thousand messages are remembered, older ones are not", async () => {
  const sent: string[] = [];
  const inbox = new Inbox((text: string) => sent.push(text) > 0);
  inbox.welcome({ max_in_flight: 32 });
  const messages = inbox.messages();
  const show = async (n: number) => {
    inbox.take({ type: "message", id: `${n}`, payload: n });
    const { value } = await within(`message ${n}`, messages.next());
    value?.ack(n);
  };
  for (const n of range(1_025)) await show(n);
  const before = sent.length;
  inbox.take({ type: "message", id: "1", payload: 1 });
  expect(sent.slice(before)).toEqual(['{"type":"ack","id":"1","reply":1}']);
  expect(inbox.size).toBe(0);
  inbox.take({ type: "message", id: "0", payload: 0 });
  expect(inbox.size).toBe(1);
});
