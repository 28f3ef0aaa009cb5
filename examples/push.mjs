// Sends a Web Push message and waits until the browser has acknowledged it.
//
//   npm install web-push
//   VAPID_PUBLIC_KEY=... VAPID_PRIVATE_KEY=... node examples/push.mjs subscription.json "it rings"
//
// subscription.json is what a page gets from pushManager.subscribe(). No other push service can tell this.

import { readFileSync } from "node:fs";

import webPush from "web-push";

const [file, text = ""] = process.argv.slice(2);
const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey } = process.env;
if (!file) {
  console.error("usage: node examples/push.mjs subscription.json [text]");
  process.exit(2);
}

const { endpoint, method, headers, body } = webPush.generateRequestDetails(JSON.parse(readFileSync(file, "utf8")), text, {
  TTL: 3600,
  ...(publicKey && { vapidDetails: { subject: "mailto:sender@example.org", publicKey, privateKey } }),
});
const taken = await fetch(endpoint, { method, headers: { ...headers, Prefer: "respond-async" }, body });
if (taken.status !== 202) {
  console.error(`not taken: ${taken.status} ${await taken.text()}`);
  process.exit(1);
}

// 202 says that it may still be delivered.
let answer;
do {
  answer = await fetch(taken.headers.get("location"), { headers: { Prefer: "wait=60" } });
} while (answer.status === 202);
console.log(answer.status === 204 ? "delivered" : "not delivered");
process.exit(answer.status === 204 ? 0 : 1);
