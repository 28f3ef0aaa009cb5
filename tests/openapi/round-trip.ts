// A round trip with the client that @hey-api/openapi-ts generates: compiled in strict mode and run beside it.

import { createClient } from "./client/index.js";
import { ackMessage, bind, getMessage, publishToTag, putDevice, takeInbox } from "./sdk.gen.js";

const [baseUrl = "", adminKey = ""] = process.argv.slice(2);
const as = (auth: string) => ({ client: createClient({ baseUrl, auth, throwOnError: true }), throwOnError: true }) as const;
const admin = as(adminKey);

const tokens: string[] = [];
for (const device of ["ts-doorbell", "ts-camera"]) {
  const { data } = await putDevice({ ...admin, path: { device }, body: { expires_in: 600 } });
  tokens.push(data.token);
}
const [doorbell, camera] = tokens.map(as);
if (!doorbell || !camera) throw new Error("there are two devices");
await bind({ ...admin, path: { tag: "ts-hallway", device: "ts-camera" } });

const path = { tag: "ts-hallway" };
const published = await publishToTag({ ...doorbell, path, body: { ring: true }, headers: { TTL: 600, Prefer: "wait=0" } });
const [message] = (await takeInbox({ ...camera, query: { wait: 10 } })).data.messages;
if (!message) throw new Error("the inbox is empty");
await ackMessage({ ...camera, path: { id: message.id }, body: { reply: { opened: true } } });
const { data: trace } = await getMessage({ ...doorbell, path: { id: published.data.id }, query: { wait: 10 } });

const { content_type, payload } = message;
const [delivery] = trace.deliveries;
console.log(JSON.stringify({ content_type, payload, state: delivery?.state, reply: delivery?.reply }));
