// JavaScript that is stopped in the middle of a turn, as where an object ends or the platform's limits are
// reached, loses the microtasks that were queued. Others in the isolate go on all the same.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

/** The service as it is deployed, but for a word that stops it when Rust has just begun. */
const STOPPING = `
import Worker, { Mailbox as Deployed } from "./entry.js";
export default Worker;
export class Mailbox extends Deployed {
  ask(...call) {
    const answer = super.ask(...call);
    if (\`\${call}\`.includes("stop here")) this.ctx.abort("stopped");
    return answer;
  }
}`;

const relay = useRelay({ wrap: { name: "stopping.js", script: STOPPING } });

test("a turn that is stopped ends only its own object", async () => {
  const [stopped, sender, receiver] = await relay.devices(3);
  const [sending, receiving] = [await sender!.connect(), await receiver!.connect()];
  receiving.answer();
  const to = { device: receiver!.name };
  for (let round = 0; round < 5; round++) {
    // Nobody in that turn can answer it any more: the runtime does.
    expect((await stopped!.publish(to, "stop here", { wait: 0 })).status).toBeGreaterThanOrEqual(500);
    (await sender!.publish(to, round, { wait: 10 })).is(200);
  }
  expect([sending.isOpen, receiving.isOpen]).toEqual([true, true]);
  (await stopped!.publish(to, "go on", { wait: 10 })).is(200);
});
