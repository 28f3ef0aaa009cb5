// The ways that a message can take, each ready to be repeated.

import { expect } from "vitest";

import type { Device, Relay, Socket } from "../harness/index.ts";

/** Here publishes share rows; how many do depends on when they end. */
export const SHARING = "online, 64 in flight from one sender";

/** How often each of many senders at a time publishes. */
const TURNS = 5;

/** How often a way is repeated, one message at a time. */
export const REPEATS = 5;

/** A prepared way: `once` publishes `messages` messages of `sender`, and ends when nothing more follows from them. */
export interface Way {
  sender?: Device;
  messages?: number;
  once: () => Promise<unknown>;
}

/** The ways of one message. They run one at a time, so that every count is exact. */
export const WAYS: Record<string, (relay: Relay) => Promise<Way>> = {
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

  "online, to an expression": async (relay) => {
    const [sender, receiver, muted] = (await relay.devices(3)) as [Device, Device, Device];
    const [tag, quiet] = [await relay.tag(receiver, muted), await relay.tag(muted)];
    const to = { match: `${tag} & !${quiet}` };
    (await receiver.connect()).answer();
    return { sender, once: async () => (await sender.publish(to, {}, { wait: 30 })).is(200) };
  },

  "online, with an Idempotency-Key": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    (await receiver.connect()).answer();
    let key = 0;
    return { sender, once: async () => (await sender.publish({ tag }, {}, { wait: 30, key: `${++key}` })).is(200) };
  },

  "online, one acknowledgement of two is enough": async (relay) => {
    const [sender, first, other] = (await relay.devices(3)) as [Device, Device, Device];
    const tag = await relay.tag(first, other);
    const headers = { "Acks-Needed": "1" };
    (await first.connect()).answer();
    await other.connect();
    return { sender, once: async () => (await sender.publish({ tag }, {}, { wait: 30, headers })).is(200) };
  },

  "to a device that is away, and by a step to one that acknowledges, receipts seen": async (relay) => {
    const [sender, away, next] = (await relay.devices(3)) as [Device, Device, Device];
    const [tag, further] = [await relay.tag(away), await relay.tag(next)];
    const headers = { "Acks-Needed": "1", Escalate: `${further};after=1` };
    const socket = await sender.connect();
    (await next.connect()).answer();
    return {
      sender,
      once: async () => {
        (await sender.publish({ tag }, {}, { headers })).is(202);
        await receiptSeen(socket);
        await receiptSeen(socket);
      },
    };
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

  "held, then in progress, then acknowledged, receipt seen": async (relay) => {
    const [sender, ...receivers] = (await relay.devices(1 + 3 * REPEATS)) as [Device, ...Device[]];
    const away = await Promise.all(receivers.map(async (device) => ({ device, tag: await relay.tag(device) })));
    const socket = await sender.connect();
    return {
      sender,
      once: async () => {
        const { device, tag } = away.pop()!;
        (await sender.publish({ tag }, {})).is(202);
        const receiving = await device.connect();
        const { id } = await receiving.next("message");
        receiving.progress(id);
        await socket.next("progress");
        receiving.ack(id);
        await receiptSeen(socket);
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

  "scheduled, and delivered at its time, receipt seen": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    const socket = await sender.connect();
    (await receiver.connect()).answer();
    return {
      sender,
      once: async () => {
        (await sender.publish({ tag }, {}, { headers: { Delay: "1" } })).is(202);
        await receiptSeen(socket);
      },
    };
  },
};

/** Many messages together, or none; these run once. */
export const TOGETHER: Record<string, (relay: Relay) => Promise<Way>> = {
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

  "a device that joins a tag and leaves it": async (relay) => {
    const device = await relay.device(undefined, { tags: ["joined"] });
    const path = `/v1/tags/joined/devices/${device.name}`;
    return { messages: 0, once: async () => { for (const method of ["PUT", "DELETE"]) (await device.request(method, path)).is(204); } };
  },

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
  while (sockets.length < size) {
    const next = receivers.slice(sockets.length, sockets.length + 25);
    sockets.push(...(await Promise.all(next.map((receiver) => receiver.connect()))));
  }
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
