// The same import works in a Worker: one on workerd publishes, listens and answers.

import { Miniflare } from "miniflare";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { useRelay } from "../../../tests/harness/index.ts";

const relay = useRelay();
const ROOT = join(import.meta.dirname, "..");

const SCRIPT = `
import { connect } from "./src/index.js";

export default {
  async fetch(request, env) {
    const [a, b] = await request.json();
    const [sender, receiver] = [a, b].map(({ token }) => connect({ url: env.RELAY, token }));
    await new Promise((resolve) => receiver.addEventListener("online", resolve, { once: true }));
    const published = sender.publish("@" + b.name, Uint8Array.of(1, 2, 3), { wait: 10 });
    for await (const message of receiver.messages()) {
      message.ack({ sum: message.payload.reduce((x, y) => x + y) });
      break;
    }
    const answer = await published;
    sender.close();
    receiver.close();
    return Response.json(answer);
  },
};
`;

let worker: Miniflare;
beforeAll(() => {
  worker = new Miniflare({
    modules: true,
    modulesRoot: ROOT,
    scriptPath: join(ROOT, "worker.js"),
    script: SCRIPT,
    modulesRules: [{ type: "ESModule", include: ["**/*.js"] }],
    compatibilityDate: "2026-07-30",
    bindings: { RELAY: relay.url.href },
  });
});
afterAll(() => worker.dispose());

test("a Worker publishes, listens and answers", async () => {
  const [a, b] = await relay.devices(2);
  const response = await worker.dispatchFetch("http://worker", {
    method: "POST",
    body: JSON.stringify([a, b].map((device) => ({ name: device!.name, token: device!.token }))),
    signal: AbortSignal.timeout(20_000),
  });
  expect(await response.json()).toMatchObject({ deliveries: [{ device: b!.name, state: "delivered", reply: { sum: 6 } }] });
}, 30_000);
