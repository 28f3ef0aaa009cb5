// A monitor: asks an address again and again, and alerts whoever is on call when it does not answer.
//
//   TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... node examples/on-call/monitor.mjs http://127.0.0.1:9000/
//
// All devices with the tag `on-call` ring. If nobody has taken the alert after ESCALATE_AFTER seconds (300), those with
// the tag `managers` ring, too. The first answer wins: the alert disappears from all other devices, and the monitor
// prints who took it and when. If the address answers again before that, the alert is cancelled.
//
// The library needs Node.js 22. A restarted monitor does not know of an earlier alert, and makes a new one.

import { watch } from "./watch.mjs";

const { TAGPOST_URL: url, TAGPOST_TOKEN: token, CHECK_EVERY = "10", ESCALATE_AFTER = "300" } = process.env;
const [, , address] = process.argv;
if (!url || !token || !URL.canParse(address)) {
  console.error("TAGPOST_URL, TAGPOST_TOKEN and the address to watch have to be given");
  process.exit(2);
}
await watch({ url, token, address, every: Number(CHECK_EVERY), escalateAfter: Number(ESCALATE_AFTER) });
