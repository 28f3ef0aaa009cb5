// What a message costs: the requests, frames, rows and alarms of every way that it can take, counted exactly.
//
// The expected counts are in costs.json, from which docs/performance.md has its prices. After a change that
// changes them on purpose: UPDATE_COSTS=1 cargo xtask test --only workerd costs, then cargo xtask bench --only costs.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { METER, anew, check, counted, meter, save, still, type Counts } from "./costs/counts.ts";
import { EVENTS, EVENTS_TAG } from "./costs/events.ts";
import { HOOKS } from "./costs/hooks.ts";
import { PUSHES, PUSH_KEY, pushUrl } from "./costs/push.ts";
import { KNOCKS, VAPID_KEY, outbound } from "./costs/knocks.ts";
import { REPEATS, TOGETHER, WAYS, type Way } from "./costs/ways.ts";
import { WEBHOOKS } from "./costs/webhooks.ts";
import { UserAgent } from "./harness/agent.ts";
import { until, useRelay, type Device, type Socket } from "./harness/index.ts";
import { Receiver } from "./harness/receiver.ts";

// No acknowledgement is ever overdue, so that no count depends on how long the test takes.
const relay = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000 } });
/** A message of this relay is cleaned up soon after it has settled. */
const RETENTION = 2;
const shortLived = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000, RETENTION } });
const pushing = useRelay({ wrap: METER, vars: { PUSH_KEY, PUSH_ACK_TIMEOUT: 3600 } });
const hooking = useRelay({ wrap: METER, vars: { PUSH_KEY, ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000 } });
const idle = useRelay({ wrap: METER, vars: { PUSH_KEY } });
const telling = useRelay({ wrap: METER, vars: { EVENTS_TAG, ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000 } });
const posting = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, WEBHOOK_ALLOW_HTTP: "true" } });
const knocking = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, VAPID_KEY }, outbound });
/** Each way that sets alarms has a relay of its own, with the default limits. */
const APART = {
  "online, with an Idempotency-Key": useRelay({ wrap: METER }),
  "online, one acknowledgement of two is enough": useRelay({ wrap: METER }),
  "held, then delivered to a device that comes and stays, receipt seen": useRelay({ wrap: METER }),
  "held, then delivered on the next connection, receipt seen": useRelay({ wrap: METER }),
  "held, then polled and acknowledged over HTTP, receipt seen": useRelay({ wrap: METER }),
  // A push has as long to be acknowledged as a message; by default it has ten times as long.
  "push, held, then delivered on the next connection": useRelay({ wrap: METER, vars: { PUSH_KEY, PUSH_ACK_TIMEOUT: 30 } }),
};
/** Until the clean-up at the earliest: the retention time, and a second in which it collects more rows. */
const CLEAN_UP = (RETENTION + 1) * 1000;
/** Only the alarms of an expiry or a clean-up are due later than this. */
const SOON = 600_000;

afterAll(save);

/** They start first, since they mostly wait. */
let apart: Record<string, Promise<Counts>> = {};
beforeAll(() => {
  const names = Object.keys(APART) as (keyof typeof APART)[];
  apart = Object.fromEntries(names.map((name) => [name, countedApart(name)]));
  // The test that awaits it reports a failure.
  for (const counts of Object.values(apart)) counts.catch(() => {});
});

let idleSince = 0;
let whenIdle: Counts = {};
let idleAgent: UserAgent;
beforeAll(async () => {
  for (const device of await idle.devices(3)) await device.connect();
  const [device] = (await idle.devices(1)) as [Device];
  idleAgent = await UserAgent.connect(await pushUrl(device));
  await idleAgent.subscribe();
  whenIdle = await still(idle);
  idleSince = Date.now();
});

describe("the counts of each way:", () => {
  test.each(Object.keys(WAYS))("%s", async (name) => {
    await anew(relay);
    const { once } = await WAYS[name]!(relay);
    // The first one sets the alarm of the clean-up; the others find it set.
    await once();
    const counts = await counted(relay, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });

  test.each(Object.keys(TOGETHER))("%s", async (name) => {
    await anew(relay);
    const { messages = 1, once } = await TOGETHER[name]!(relay);
    await once();
    // How much is read depends on how the events interleave.
    const { statements, rows_read, ...counts } = await counted(relay, once);
    check(name, { messages, ...counts });
  });
});

describe("the counts of each way of a push:", () => {
  test.each(Object.keys(PUSHES))("%s", async (name) => {
    await anew(pushing);
    const once = await PUSHES[name]!(pushing);
    // The first one sets the alarm of an expiry; the others find it set.
    await once();
    const counts = await counted(pushing, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });
});

describe("the counts of each way of a hook:", () => {
  test.each(Object.keys(HOOKS))("%s", async (name) => {
    await anew(hooking);
    const once = await HOOKS[name]!(hooking);
    await once();
    const counts = await counted(hooking, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });

  test("what is posted to a hook costs what a publish does", () => {
    const { "online, posted to a hook": posted, online } = JSON.parse(readFileSync("tests/costs.json", "utf8"));
    expect(posted).toEqual(online);
  });
});

describe("the counts of each way of an event:", () => {
  test.each(Object.keys(EVENTS))("%s", async (name) => {
    await anew(telling);
    const once = await EVENTS[name]!(telling);
    // The first one makes the tables; the others find them.
    await once();
    const counts = await counted(telling, async () => {
      for (let n = 0; n < REPEATS; n++) {
        await once();
        await still(telling);
      }
    });
    check(name, { messages: REPEATS, ...counts });
  });
});

describe("the counts of each way of a webhook:", () => {
  const receiver = new Receiver();
  beforeAll(() => receiver.start());
  afterAll(() => receiver.stop());

  test.each(Object.keys(WEBHOOKS))("%s", async (name) => {
    await anew(posting);
    const once = await WEBHOOKS[name]!(posting, receiver);
    // The first one sets the alarms of an answer and of the clean-up.
    await once();
    const counts = await counted(posting, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });
});

describe("the counts of each way with a knock:", () => {
  test.each(Object.keys(KNOCKS))("%s", async (name) => {
    await anew(knocking);
    const once = await KNOCKS[name]!(knocking);
    const counts = await counted(knocking, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });
});

/** What one message costs on its own: the alarms of the one before have gone off, and its own are included. */
async function countedApart(name: keyof typeof APART): Promise<Counts> {
  const relay = APART[name];
  const once = name in PUSHES ? await PUSHES[name]!(relay) : (await WAYS[name]!(relay)).once;
  const quiet = async () => {
    const soon = async () => relay.alarms().filter((due) => due < Date.now() + SOON).length;
    await until("no alarm that is due soon", soon, (alarms) => alarms === 0, 60_000);
  };
  await once();
  await quiet();
  return counted(relay, async () => {
    await once();
    await quiet();
  });
}

describe("messages more than 30 s apart, with the default limits:", () => {
  test.each(Object.keys(APART))("%s", async (name) => {
    check(`${name}, apart`, { messages: 1, ...(await apart[name]!) });
  }, 150_000);
});

describe("the rows written until the clean-up is over:", () => {
  const { "a connection that comes and goes": _, "a device that joins a tag and leaves it": __, ...together } = TOGETHER;
  const ways = { ...WAYS, ...together };
  test.each(Object.keys(ways))("%s", async (name) => {
    await anew(shortLived);
    // Each has a sender of its own, so that no message overwrites the row of an earlier one.
    const repeats: Way[] = [];
    while (repeats.length < (name in WAYS ? REPEATS : 1)) repeats.push(await ways[name]!(shortLived));
    const messages = repeats[0]!.messages ?? REPEATS;
    const before = await still(shortLived);
    for (const { once } of repeats) await once();
    for (const { sender } of repeats) await allCleanedUp(sender!);
    const { rows_written } = await still(shortLived);
    check(`${name}, forgotten`, { messages, rows_written: rows_written! - before.rows_written! });
  });
});

describe("the rows of one device:", () => {
  /** A device, its connection, and `count` publishes to it at once. Only its mailbox is counted. */
  async function flooded(count: number): Promise<{ receiver: Device; socket: Socket; publishes: Promise<unknown>[] }> {
    const sender = await relay.device();
    (await sender.publish({ device: sender.name }, {})).is(202);
    await anew(relay);
    const receiver = await relay.device();
    const socket = await receiver.connect();
    const publish = () => sender.publish({ device: receiver.name }, {}, { wait: 60 });
    return { receiver, socket, publishes: Array.from({ length: count }, publish) };
  }

  const written = async (run: () => Promise<unknown>) => {
    const { rows_written, alarms_set } = await counted(relay, run);
    return { rows_written: rows_written!, alarms_set: alarms_set! };
  };

  test("64 publishes at once that it acknowledges", async () => {
    await anew(relay);
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    (await receiver.connect()).answer();
    const publish = async () => (await sender.publish({ device: receiver.name }, {}, { wait: 30 })).is(200);
    await publish();
    const { rows_written } = await written(() => Promise.all(Array.from({ length: 64 }, publish)));
    // How many publishes share a row of their sender depends on when they end. The receiver writes none.
    expect(rows_written).toBeLessThanOrEqual(64);
  });

  test("a connection that breaks with 32 unacknowledged messages, and comes and breaks again", async () => {
    const { receiver, socket, publishes } = await flooded(32);
    await socket.messages(32);
    const broken = await written(async () => {
      socket.terminate();
      await receiver.offline();
      await Promise.all(publishes);
    });
    check("a connection that breaks with 32 in flight", { messages: 32, ...broken });
    const again = async (count: number) => {
      const next = await receiver.connect();
      await next.messages(count);
      next.terminate();
      await receiver.offline();
    };
    check("it comes and breaks again", { messages: 32, ...(await written(() => again(32))) });
    check("it comes and breaks a third time", { messages: 32, ...(await written(() => again(32))) });
  });

  test("a mailbox that holds 2,000 messages and wakes for one more", async () => {
    const { receiver, socket } = await flooded(0);
    await socket.close();
    const sender = await relay.device();
    const publishing = await sender.connect();
    for (let n = 0; n < 2_000; n++) {
      publishing.send({ type: "publish", ref: `${n}`, to: { device: receiver.name }, payload: {}, wait: 0 });
      if (n % 50 === 49) for (let answers = 0; answers < 50; answers++) await publishing.next("published");
    }
    // An alarm of what was in flight may open the mailbox before the count, or within it.
    let opened: Counts = {};
    for (let tries = 0; tries < 5 && !(opened.rows_read! > 1 && opened.object_requests === 1); tries++) {
      await relay.evict(receiver);
      opened = await counted(relay, () => receiver.status());
    }
    const { rows_read, rows_written } = opened;
    check("a mailbox that holds 2,000 messages and wakes", { rows_read: rows_read!, rows_written: rows_written! });
  }, 120_000);
});

test("a tag bound to one device is looked up once a second, however often it is published to", async () => {
  const { once } = await WAYS.online!(relay);
  const queries = async () => (await relay.request("GET", "/v1/meter")).is(200).d1_queries;
  const [before, publishes] = [await queries(), 30];
  for (let n = 0; n < publishes; n++) await once();
  const grown = (await queries()) - before;
  // The publishes take a fraction of a second, or some seconds on a slow machine.
  expect(grown).toBeGreaterThan(0);
  expect(grown).toBeLessThan(publishes);
});

describe("the rows of a stream, in which each message overwrites one that is past its retention:", () => {
  const ways = ["online", "online, published over a WebSocket", ...Object.keys(WAYS).filter((way) => / then /.test(way))];
  test.each(ways)("%s", async (name) => {
    // On a slow machine the clean-up may be first to take a row. Then the test is repeated.
    for (let tries = 0; tries < 5; tries++) {
      const { sender, once } = await WAYS[name]!(shortLived);
      const earlier: { began: number; ended: number }[] = [];
      for (let n = 0; n < REPEATS; n++) {
        const began = Date.now();
        await once();
        earlier.push({ began, ended: Date.now() });
      }
      const before = await still(shortLived);
      let [inTime, first] = [true, Infinity];
      for (const { began, ended } of earlier) {
        await sleep(Math.max(0, ended + RETENTION * 1000 - Date.now()));
        first = Math.min(first, Date.now());
        await once();
        inTime &&= Date.now() < began + CLEAN_UP;
      }
      const after = await still(shortLived);
      const { messages } = (await sender!.request("GET", "/v1/messages")).is(200);
      inTime &&= Date.now() < first + CLEAN_UP;
      await allCleanedUp(sender!);
      if (!inTime) continue;
      expect(messages, "as many are stored as before").toHaveLength(REPEATS);
      const rows_written = after.rows_written! - before.rows_written!;
      return check(`${name}, in a stream`, { messages: REPEATS, rows_written });
    }
    expect.fail("the clean-up may have been first every time");
  });
});

async function allCleanedUp(sender: Device): Promise<void> {
  const stored = async () => (await sender.request("GET", "/v1/messages")).is(200).messages;
  await until("no stored message", stored, (messages) => messages.length === 0);
}

test("connected devices and user agents cost nothing for a minute, however often they ping", async () => {
  for (let count = 0; count < 10; count++) await idleAgent.ping();
  await sleep(Math.max(0, idleSince + 60_000 - Date.now()));
  expect(await meter(idle)).toEqual(whenIdle);
}, 90_000);
