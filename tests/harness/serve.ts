// The service as a process of its own. It reads one line of JSON, what `startWorkerd` takes, then the name of
// a device a line, whose mailbox is to leave memory, and says when it has. It ends when its input does.

import { createInterface } from "node:readline";

import { MAILBOX, startWorkerd } from "./workerd.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = await lines.next();
const miniflare = await startWorkerd({ ...JSON.parse(first.value ?? "{}"), onLog: ({ message }) => console.log(message) });
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const name = line.value;
  miniflare.unsafeEvictDurableObject(MAILBOX.worker, MAILBOX.className, { name, webSockets: "hibernate" }).then(
    () => console.log(`evicted ${name}`),
    (error: unknown) => console.log(`not evicted ${name}: ${error}`),
  );
}
await miniflare.dispose();
process.exit();
