// What the platform says of a mailbox that cannot be reached for now is 503 with Retry-After, and no error in the
// log: the caller comes again. A stub that is broken is not used again.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

/** The service as it is deployed, but for a message that keeps its mailbox busy until the platform resets that. */
const BUSY = `
import Worker, { Mailbox as Deployed } from "./entry.js";
export default Worker;
export class Mailbox extends Deployed {
  ask(...call) {
    if (\`\${call}\`.includes("keep busy")) this.ctx.blockConcurrencyWhile(() => new Promise(() => {})).catch(() => {});
    return super.ask(...call);
  }
}`;

/** The service as it is deployed, but for a message that breaks the stub it is sent through, once in the Worker and once
 * in a mailbox. Such a stub throws at once, then and ever after. */
const BREAKING = `
import Worker, { Mailbox as Deployed } from "./entry.js";
function breakable(env, owner) {
  let isDone = false;
  const getByName = (name) => {
    const stub = env.MAILBOX.getByName(name);
    let isBroken = false;
    const ask = (...call) => {
      if (!isDone && \`\${call}\`.includes("break a stub of the " + owner)) isDone = isBroken = true;
      if (isBroken) throw new Error("the stub is broken");
      return stub.ask(...call);
    };
    return { ask, fetch: (...request) => stub.fetch(...request) };
  };
  return Object.create(env, { MAILBOX: { value: { getByName } } });
}
let ofWorker;
export default class extends Worker {
  constructor(ctx, env) {
    super(ctx, (ofWorker ??= breakable(env, "Worker")));
  }
}
export class Mailbox extends Deployed {
  constructor(ctx, env) {
    super(ctx, breakable(env, "mailbox"));
  }
}`;

const relay = useRelay({ wrap: { name: "busy.js", script: BUSY } });
const breaking = useRelay({ wrap: { name: "breaking.js", script: BREAKING } });

test("a mailbox that the platform resets for being overloaded is 503 with Retry-After", { timeout: 80_000 }, async () => {
  const [sender, receiver] = await relay.devices(2);
  const to = { device: receiver!.name };
  const answer = await sender!.publish(to, "keep busy", { wait: 60 });
  answer.problem(503, "unavailable");
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  const lines = relay.logs.filter(({ message }) => message.startsWith("{")).map(({ message }) => JSON.parse(message));
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(lines.filter(({ event }) => event === "mailbox_unreachable")).toHaveLength(1);
  (await sender!.publish(to, "again", { wait: 0 })).is(202);
});

test("a stub of the Worker that throws at once fails one request, and not the next", async () => {
  const [sender, receiver] = await breaking.devices(2);
  const to = { device: receiver!.name };
  (await sender!.publish(to, "break a stub of the Worker", { wait: 0 })).problem(500, "internal");
  (await sender!.publish(to, "again", { wait: 0 })).is(202);
});

test("a stub of a mailbox that throws at once delays a message, and is not used again", async () => {
  const [sender, receiver] = await breaking.devices(2);
  (await receiver!.connect()).answer();
  const id = await sender!.send({ device: receiver!.name }, "break a stub of the mailbox");
  // While a trace waits, the mailbox stays in memory, and with it whatever stub it keeps.
  expect((await sender!.settled(id, 30)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
  const lines = breaking.logs.filter(({ message }) => message.includes(receiver!.name) && message.includes("the stub is broken"));
  expect(lines).toHaveLength(1);
});
