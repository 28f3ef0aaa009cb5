// What the platform says of a mailbox that cannot be reached for now is 503 with Retry-After, and no error in the
// log: the caller comes again.

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

const relay = useRelay({ wrap: { name: "busy.js", script: BUSY } });

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
