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

/** The answer to a request. These URLs are capabilities: a redirect would show one to somebody else, so none is followed. */
async function ask(url, seconds, options) {
  try {
    return await fetch(url, { ...options, redirect: "manual", signal: AbortSignal.timeout(1000 * seconds) });
  } catch (error) {
    console.error(`no answer: ${error.cause?.code ?? error.message}`);
    process.exit(1);
  }
}

const { endpoint, method, headers, body } = webPush.generateRequestDetails(JSON.parse(readFileSync(file, "utf8")), text, {
  TTL: 3600,
  ...(publicKey && { vapidDetails: { subject: "mailto:sender@example.org", publicKey, privateKey } }),
});
const taken = await ask(endpoint, 10, { method, headers: { ...headers, Prefer: "respond-async" }, body });
if (taken.status !== 202) {
  console.error(`not taken: ${taken.status} ${await taken.text()}`);
  process.exit(1);
}

// 202 says that it may still be delivered.
let answer;
do {
  answer = await ask(taken.headers.get("location"), 70, { headers: { Prefer: "wait=60" } });
} while (answer.status === 202);
console.log(answer.status === 204 ? "delivered" : "not delivered");
process.exit(answer.status === 204 ? 0 : 1);
