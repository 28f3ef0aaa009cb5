// A device that is an address, with the library of Standard Webhooks, which verifies payloads that are text.
//
//   npm install standardwebhooks
//   WEBHOOK_SECRET=whsec_... node examples/webhook-library.mjs
//
// docs/webhooks.md says how the service gets the address, and you the secret.

import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";

import { Webhook } from "standardwebhooks";

const { WEBHOOK_SECRET, PORT = "9000" } = process.env;
if (!WEBHOOK_SECRET?.startsWith("whsec_")) {
  console.error("WEBHOOK_SECRET has to be set");
  process.exit(2);
}
const webhook = new Webhook(WEBHOOK_SECRET);

const server = createServer(async (request, response) => {
  // A body that breaks off verifies as little as an empty one.
  const body = await buffer(request).catch(() => Buffer.alloc(0));
  try {
    webhook.verify(body, request.headers, { jsonParse: false });
  } catch {
    return response.writeHead(401).end();
  }
  console.log(request.headers["webhook-id"], body.toString());
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ taken: true }));
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
