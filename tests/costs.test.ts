// What a message costs: requests, frames, rows and alarms of every way it can go, counted to the last one.
//
// The expected counts are in costs.json, from which docs/performance.md has its prices. After a change that
// is meant to change them: UPDATE_COSTS=1 cargo xtask test --only workerd costs, then cargo xtask bench --only costs.

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { until, useRelay, type Device, type Socket } from "./harness/index.ts";

const METER = { name: "meter.js", script: readFileSync("bench/meter.js", "utf8") };
// No time to acknowledge runs out meanwhile, so that no count depends on how long the test takes.
const relay = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000 } });
/** Here everything is cleaned up soon after it has settled. */
const RETENTION = 2;
const forgetful = useRelay({ wrap: METER, vars: { ACK_TIMEOUT: 3600, PUBLISH_BURST: 10_000, RETENTION } });
const idle = useRelay({ wrap: METER });
/** The ways that set alarms, each on a relay of its own, with the default limits. */
const APART = {
  "online, with an Idempotency-Key": useRelay({ wrap: METER }),
  "held, then delivered to a device that comes and stays, receipt seen": useRelay({ wrap: METER }),
  "held, then delivered on the next connection, receipt seen": useRelay({ wrap: METER }),
  "held, then polled and acknowledged over HTTP, receipt seen": useRelay({ wrap: METER }),
};
/** Alarms due later than this are those of an expiry or of a clean-up; all others have gone off by then. */
const SOON = 600_000;

type Relay = typeof relay;
type Counts = Record<string, number>;

/** Here publishes share rows; how many do depends on when they end. */
const SHARING = "online, 64 in flight from one sender";

/** How often each of many senders at a time publishes. */
const TURNS = 10;

/** How often a way is gone, one message at a time. */
const REPEATS = 5;

/** Until the clean-up at the earliest: the retention time, and a second for which it waits for more. */
const CLEAN_UP = (RETENTION + 1) * 1000;
const FILE = "tests/costs.json";
const UPDATE = process.env.UPDATE_COSTS !== undefined;
const expected: Record<string, Counts> = JSON.parse(readFileSync(FILE, "utf8"));
const seen: Record<string, Counts> = {};
afterAll(() => {
  if (UPDATE) writeFileSync(FILE, `${JSON.stringify({ ...expected, ...seen }, null, 2)}\n`);
});

/** A way, made ready to be gone: with `once`, of so many messages by this sender. */
interface Way {
  sender?: Device;
  messages?: number;
  once: () => Promise<unknown>;
}

/** The ways of one message, gone one at a time, so that nothing is left to chance. */
const WAYS: Record<string, (relay: Relay) => Promise<Way>> = {
  "online": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    (await receiver.connect()).answer();
    return { sender, once: async () => (await sender.publish({ tag }, {}, { wait: 30 })).is(200) };
  },

  "online, published over a WebSocket": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    (await receiver.connect()).answer();
    const socket = await sender.connect();
    return {
      sender,
      once: async () => {
        socket.send({ type: "publish", ref: "r", to: { tag }, payload: {}, wait: 30 });
        expect(await socket.next("published")).toMatchObject({ summary: { delivered: 1 } });
      },
    };
  },

  "online, with an Idempotency-Key": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    (await receiver.connect()).answer();
    let key = 0;
    return { sender, once: async () => (await sender.publish({ tag }, {}, { wait: 30, key: `${++key}` })).is(200) };
  },

  "held, then delivered to a device that comes and stays, receipt seen": async (relay) => {
    const [sender, ...receivers] = (await relay.devices(1 + 3 * REPEATS)) as [Device, ...Device[]];
    const away = await Promise.all(receivers.map(async (device) => ({ device, tag: await relay.tag(device) })));
    const socket = await sender.connect();
    return {
      sender,
      once: async () => {
        const { device, tag } = away.pop()!;
        (await sender.publish({ tag }, {})).is(202);
        (await device.connect()).answer();
        await receiptSeen(socket);
      },
    };
  },

  "held, then delivered on the next connection, receipt seen": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    const socket = await sender.connect();
    return {
      sender,
      once: async () => {
        (await sender.publish({ tag }, {})).is(202);
        const receiving = await receiver.connect();
        receiving.answer();
        await receiptSeen(socket);
        await receiving.close();
      },
    };
  },

  "held, then polled and acknowledged over HTTP, receipt seen": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    const socket = await sender.connect();
    // A device's first poll notes when it was seen.
    await receiver.inbox();
    return {
      sender,
      once: async () => {
        (await sender.publish({ tag }, {})).is(202);
        const [message] = await receiver.inbox({ wait: 10 });
        (await receiver.ack(message!.id)).is(204);
        await receiptSeen(socket);
      },
    };
  },

  "held until it expires, receipt seen": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    const socket = await sender.connect();
    return {
      sender,
      once: async () => {
        (await sender.publish({ tag }, {}, { ttl: 1 })).is(202);
        await receiptSeen(socket);
      },
    };
  },
};

/** Of these one is enough: many messages together, or none. */
const TOGETHER: Record<string, (relay: Relay) => Promise<Way>> = {
  [SHARING]: async (relay) => {
    const [sender, ...receivers] = (await relay.devices(5)) as [Device, ...Device[]];
    const tags = await Promise.all(receivers.map((receiver) => relay.tag(receiver)));
    await Promise.all(receivers.map(async (receiver) => (await receiver.connect()).answer()));
    // Each publishes again when its last is answered.
    const inTurn = async (n: number) => {
      for (let turn = 0; turn < TURNS; turn++) {
        (await sender.publish({ tag: tags[n % tags.length]! }, {}, { wait: 30 })).is(200);
      }
    };
    return { sender, messages: 64 * TURNS, once: () => Promise.all(Array.from({ length: 64 }, (_, n) => inTurn(n))) };
  },

  "a tag of 100 devices, all online": (relay) => everyone(relay, 100),
  "a tag of 150 devices, all online": (relay) => everyone(relay, 150),

  "a connection that comes and goes": async (relay) => {
    const device = await relay.device();
    return { messages: 0, once: async () => (await device.connect()).close() };
  },
};

async function everyone(relay: Relay, size: number): Promise<Way> {
  const sender = await relay.device();
  const receivers: Device[] = [];
  while (receivers.length < size) receivers.push(...(await relay.devices(25)));
  const tag = await relay.tag(...receivers);
  const sockets: Socket[] = [];
  for (const receiver of receivers) sockets.push(await receiver.connect());
  sockets.forEach((socket) => socket.answer());
  const once = async () => {
    const { id } = (await sender.publish({ tag }, {}, { wait: 30 })).json;
    await Promise.all(sockets.map((socket) => socket.next((frame) => frame.type === "message" && frame.id === id)));
  };
  return { sender, messages: size, once };
}

/** Takes the receipt of a message, and says that it was seen. */
async function receiptSeen(socket: Socket): Promise<void> {
  const { seq } = await socket.next("receipt");
  socket.send({ type: "receipts_seen", seq });
}

/** Begun at once, since they mostly wait. */
let apart: Record<string, Promise<Counts>> = {};
beforeAll(() => {
  const names = Object.keys(APART) as (keyof typeof APART)[];
  apart = Object.fromEntries(names.map((name) => [name, countedApart(name)]));
  // A failure is that of the test that awaits it.
  for (const counts of Object.values(apart)) counts.catch(() => {});
});

let idleSince = 0;
let whenIdle: Counts = {};
beforeAll(async () => {
  for (const device of await idle.devices(3)) await device.connect();
  whenIdle = await still(idle);
  idleSince = Date.now();
});

describe("what is counted is what is expected:", () => {
  test.each(Object.keys(WAYS))("%s", async (name) => {
    await anew();
    const { once } = await WAYS[name]!(relay);
    // The first of a kind sets the alarm of the clean-up, which the others find set.
    await once();
    const counts = await counted(relay, async () => {
      for (let n = 0; n < REPEATS; n++) await once();
    });
    check(name, { messages: REPEATS, ...counts });
  });

  test.each(Object.keys(TOGETHER))("%s", async (name) => {
    await anew();
    const { messages = 1, once } = await TOGETHER[name]!(relay);
    await once();
    // What is read when many events interleave depends on how they do.
    const { statements, rows_read, ...counts } = await counted(relay, once);
    check(name, { messages, ...counts });
  });
});

/** What one message costs when every alarm that an earlier one set has gone off, and its own have, too. */
async function countedApart(name: keyof typeof APART): Promise<Counts> {
  const relay = APART[name];
  const { once } = await WAYS[name]!(relay);
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

describe("the rows that are written until all is forgotten again:", () => {
  const { "a connection that comes and goes": _, ...together } = TOGETHER;
  const ways = { ...WAYS, ...together };
  test.each(Object.keys(ways))("%s", async (name) => {
    // Each by a sender of its own: no message takes the row of one before.
    const repeats: Way[] = [];
    while (repeats.length < (name in WAYS ? REPEATS : 1)) repeats.push(await ways[name]!(forgetful));
    const messages = repeats[0]!.messages ?? REPEATS;
    const before = await still(forgetful);
    for (const { once } of repeats) await once();
    for (const { sender } of repeats) await allForgotten(sender!);
    const { rows_written } = await still(forgetful);
    check(`${name}, forgotten`, { messages, rows_written: rows_written! - before.rows_written! });
  });
});

describe("the rows of one device:", () => {
  /** A device, its connection, and so many publishes to it at once; its mailbox alone is counted. */
  async function flooded(count: number): Promise<{ receiver: Device; socket: Socket; publishes: Promise<unknown>[] }> {
    const sender = await relay.device();
    (await sender.publish({ device: sender.name }, {})).is(202);
    await anew();
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
    await anew();
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    (await receiver.connect()).answer();
    const publish = async () => (await sender.publish({ device: receiver.name }, {}, { wait: 30 })).is(200);
    await publish();
    const { rows_written } = await written(() => Promise.all(Array.from({ length: 64 }, publish)));
    // How many publishes share a row of their sender depends on when they end; none is written at the receiver.
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
    const send = () => sender.send({ device: receiver.name }, {});
    for (let n = 0; n < 2_000; n += 50) await Promise.all(Array.from({ length: 50 }, send));
    await relay.evict(receiver);
    const { rows_read, rows_written } = await counted(relay, () => receiver.status());
    check("a mailbox that holds 2,000 messages and wakes", { rows_read: rows_read!, rows_written: rows_written! });
  }, 120_000);
});

test("a tag that leads to one device is looked up once a second, however often it is published to", async () => {
  const { once } = await WAYS.online!(relay);
  const queries = async () => (await relay.request("GET", "/v1/meter")).is(200).d1_queries;
  const [before, publishes] = [await queries(), 30];
  for (let n = 0; n < publishes; n++) await once();
  const grown = (await queries()) - before;
  // That takes a fraction of a second, or some seconds where the machine is slow.
  expect(grown).toBeGreaterThan(0);
  expect(grown).toBeLessThan(publishes);
});

describe("the rows of a stream, in which each message comes when an earlier one was kept long enough:", () => {
  const ways = ["online", "online, published over a WebSocket", ...Object.keys(WAYS).filter((way) => / then /.test(way))];
  test.each(ways)("%s", async (name) => {
    // Where the machine is so slow that the clean-up may be first to take a row, it is done again.
    for (let tries = 0; tries < 5; tries++) {
      const { sender, once } = await WAYS[name]!(forgetful);
      const earlier: { began: number; ended: number }[] = [];
      for (let n = 0; n < REPEATS; n++) {
        const began = Date.now();
        await once();
        earlier.push({ began, ended: Date.now() });
      }
      const before = await still(forgetful);
      let [inTime, first] = [true, Infinity];
      for (const { began, ended } of earlier) {
        await sleep(Math.max(0, ended + RETENTION * 1000 - Date.now()));
        first = Math.min(first, Date.now());
        await once();
        inTime &&= Date.now() < began + CLEAN_UP;
      }
      const after = await still(forgetful);
      const { messages } = (await sender!.request("GET", "/v1/messages")).is(200);
      inTime &&= Date.now() < first + CLEAN_UP;
      await allForgotten(sender!);
      if (!inTime) continue;
      expect(messages, "as many are remembered as before").toHaveLength(REPEATS);
      const rows_written = after.rows_written! - before.rows_written!;
      return check(`${name}, in a stream`, { messages: REPEATS, rows_written });
    }
    expect.fail("the clean-up may have been first each time");
  });
});

async function allForgotten(sender: Device): Promise<void> {
  const remembered = async () => (await sender.request("GET", "/v1/messages")).is(200).messages;
  await until("no message that is remembered", remembered, (messages) => messages.length === 0);
}

test("connected devices cost nothing for a minute", async () => {
  await sleep(Math.max(0, idleSince + 60_000 - Date.now()));
  expect(await meter(idle)).toEqual(whenIdle);
}, 90_000);

/** How much the counts grow while something runs. */
async function counted(relay: Relay, run: () => Promise<unknown>): Promise<Counts> {
  const before = await still(relay);
  await run();
  const after = await still(relay);
  return Object.fromEntries(Object.entries(after).map(([what, count]) => [what, count - before[what]!]));
}

function check(name: string, counts: Counts): void {
  if (UPDATE) seen[name] = counts;
  if (name.startsWith(SHARING)) {
    // Alone, each would be a row, and another when that is forgotten.
    const alone = counts.messages! * (name === SHARING ? 1 : 2);
    expect(counts.rows_written, name).toBeLessThanOrEqual(alone / 2);
    counts = { ...counts, rows_written: expected[name]!.rows_written! };
  }
  if (!UPDATE) expect(counts, name).toEqual(expected[name]);
}

/** From now on the mailboxes of earlier tests, which may have alarms, are not counted. */
async function anew(): Promise<void> {
  (await relay.request("GET", "/v1/meter?anew")).is(200);
}

async function meter(relay: Relay): Promise<Counts> {
  // How many publishes share a query depends on when they arrive.
  const { d1_queries, ...counts } = (await relay.request("GET", "/v1/meter")).is(200);
  return counts;
}

/** The counts once they do not grow any more: what follows an answer has no event of its own to wait for. */
async function still(relay: Relay): Promise<Counts> {
  let before = await meter(relay);
  for (;;) {
    await sleep(300);
    const now = await meter(relay);
    if (isDeepStrictEqual(now, before)) return now;
    before = now;
  }
}
