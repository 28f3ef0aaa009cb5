// A device that is an address: takes only what the service has signed, and answers with a reply. Node.js alone.
//
//   WEBHOOK_SECRET=whsec_... node examples/webhook.mjs
//
// docs/webhooks.md says how the service gets the address, and you the secret.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";

const { WEBHOOK_SECRET, PORT = "9000" } = process.env;
if (!WEBHOOK_SECRET?.startsWith("whsec_")) {
  console.error("WEBHOOK_SECRET has to be set");
  process.exit(2);
}
const key = Buffer.from(WEBHOOK_SECRET.slice("whsec_".length), "base64");

/** Whether the service has signed these bytes, within the last five minutes. */
function verifies({ "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures = "" }, body) {
  const digest = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const given = signatures.split(" ").map((signature) => Buffer.from(signature));
  const isSigned = given.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
  return isSigned && Math.abs(Date.now() / 1000 - Number(time)) <= 300;
}

const server = createServer(async (request, response) => {
  // A body that breaks off verifies as little as an empty one.
  const body = await buffer(request).catch(() => Buffer.alloc(0));
  if (!verifies(request.headers, body)) return response.writeHead(401).end();
  console.log(request.headers["webhook-id"], body.toString());
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ taken: true }));
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
