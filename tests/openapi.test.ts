// /openapi.json is a valid OpenAPI 3.1 document that describes what is served: no more, no less.

import { randomUUID } from "node:crypto";

import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Response } from "miniflare";
import { beforeAll, describe, expect, test } from "vitest";

import { UserAgent } from "./harness/agent.ts";
import { fresh, until, useRelay, type Answer, type Device } from "./harness/index.ts";

const relay = useRelay({
  vars: { PUBLISH_RATE: 1, PUBLISH_BURST: 20, MAX_PAYLOAD_BYTES: 1000, PUSH_KEY: "a key for tests that is long enough", VAPID_KEY: "7".repeat(64) },
  outbound: async () => new Response(null, { status: 201 }),
});

/** Every route of the contract but the console's page. */
const ROUTES = [
  "GET /health",
  "GET /openapi.json",
  "GET /phone",
  "PUT /v1/devices/{device}",
  "GET /v1/devices",
  "GET /v1/devices/{device}",
  "DELETE /v1/devices/{device}",
  "DELETE /v1/devices/{device}/tokens",
  "DELETE /v1/devices/{device}/tokens/{jti}",
  "POST /v1/devices/{device}/pair",
  "POST /v1/pair",
  "GET /v1/devices/{device}/inbox",
  "POST /v1/devices/{device}/push",
  "GET /v1/devices/{device}/channels",
  "DELETE /v1/devices/{device}/channels",
  "DELETE /v1/devices/{device}/channels/{channel}",
  "POST /v1/devices/{device}/hooks",
  "DELETE /v1/devices/{device}/hooks",
  "GET /v1/wake-key",
  "GET /v1/devices/{device}/watch",
  "PUT /v1/devices/{device}/wake",
  "GET /v1/devices/{device}/wake",
  "DELETE /v1/devices/{device}/wake",
  "DELETE /v1/devices/{device}/wake/{subscription}",
  "PUT /v1/devices/{device}/webhook",
  "GET /v1/devices/{device}/webhook",
  "DELETE /v1/devices/{device}/webhook",
  "POST /v1/devices/{device}/webhook/rotate",
  "POST /v1/devices/{device}/webhook/test",
  "PUT /v1/tags/{tag}/devices/{device}",
  "DELETE /v1/tags/{tag}/devices/{device}",
  "GET /v1/tags",
  "GET /v1/tags/{tag}",
  "POST /v1/tags/{tag}/messages",
  "POST /v1/devices/{device}/messages",
  "POST /v1/messages",
  "GET /v1/messages/{id}",
  "GET /v1/messages",
  "DELETE /v1/messages/{id}",
  "POST /v1/messages/{id}/resend",
  "GET /v1/messages/{id}/payload",
  "GET /v1/devices/{device}/messages",
  "GET /v1/failures",
  "GET /v1/overview",
  "GET /v1/connect",
  "GET /v1/inbox",
  "POST /v1/inbox/{id}/ack",
  "POST /v1/inbox/{id}/nack",
  "POST /v1/inbox/{id}/progress",
  "GET /push/{sealed}",
  "POST /wpush/{sealed}",
  "GET /wpush/{sealed}",
  "GET /m/{sealed}",
  "DELETE /m/{sealed}",
  "GET /r/{sealed}",
  "DELETE /r/{sealed}",
  "POST /h/{sealed}",
  "POST /_matrix/push/v1/notify",
  "GET /_matrix/push/v1/notify",
];

const METHODS = ["get", "put", "post", "delete", "patch", "head", "options"];
const ID = "01JZZZZZZZZZZZZZZZZZZZZZZZ";

let document: any;
let ajv: Ajv2020;

beforeAll(async () => {
  document = (await relay.request("GET", "/openapi.json")).is(200);
  ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, "openapi");
});

/** Fails unless the document has this answer: its status, its content type, and a schema that its body fits. */
function describes(route: string, answer: Answer): void {
  const [method = "", path = ""] = route.split(" ");
  const operation = `#/paths/${pointer(path)}/${method.toLowerCase()}/responses/${answer.status}`;
  const response = resolve(operation);
  if (!response) throw new Error(`the document has no ${operation}, but ${answer}`);
  const type = answer.headers.get("content-type")?.split(";")[0];
  if (answer.text === "") {
    expect(response.value.content, `${operation} of an answer without a body`).toBeUndefined();
    return;
  }
  expect(Object.keys(response.value.content ?? {}), operation).toContain(type);
  const validate = ajv.compile({ $ref: `openapi${response.at}/content/${pointer(type ?? "")}/schema` });
  if (!validate(answer.json)) {
    throw new Error(`${answer} does not fit ${operation}: ${ajv.errorsText(validate.errors)}`);
  }
}

/** The value at a JSON pointer of the document, references followed, and where it really is. */
function resolve(at: string): { at: string; value: any } | undefined {
  const value = at
    .slice(2)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((node, part) => node?.[part], document);
  return value?.$ref ? resolve(value.$ref) : value && { at, value };
}

const pointer = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");

describe("OpenAPI document", () => {
  test("it is valid OpenAPI 3.1", async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  test("it has every route of the contract and no other", () => {
    const described = Object.entries<any>(document.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`),
    );
    // The console's page may be described or not.
    expect(described.filter((route) => route !== "GET /").sort()).toEqual([...ROUTES].sort());
  });

  test("every path and method in it is served", async () => {
    for (const route of ROUTES) {
      const [method = "", template = ""] = route.split(" ");
      const names = { device: fresh("device"), tag: fresh("tag"), id: ID, channel: randomUUID(), sealed: "x", subscription: "0123456789ab", jti: "0123456789abcdef" };
      const path = Object.entries(names).reduce((path, [name, value]) => path.replace(`{${name}}`, value), template);
      const answer = await relay.admin(method, path);
      expect(answer.status, `${answer}`).not.toBe(405);
      // A sealed URL that was made up is 404, in a form of its own.
      if (answer.status === 404 && !template.includes("{sealed}")) expect(answer.problem(404).code, `${answer}`).not.toBe("not_found");
      describes(route, answer);
    }
  });

  test("every answer of Web Push fits its schema", async () => {
    const device = await relay.device();
    const of = `/v1/devices/${device.name}`;
    const url = await device.request("POST", `${of}/push`);
    describes("POST /v1/devices/{device}/push", url);
    const agent = await UserAgent.connect(url.is(200).push_url);
    const { endpoint, channelID } = await agent.subscribe();
    const path = (url: string) => new URL(url).pathname;
    describes("GET /v1/devices/{device}/channels", await device.request("GET", `${of}/channels`));
    describes("GET /wpush/{sealed}", await relay.request("GET", path(endpoint)));
    const headers = { TTL: "60", Prefer: "respond-async" };
    for (const sent of [headers, { TTL: "60" }, {}, { ...headers, Authorization: "vapid" }]) {
      describes("POST /wpush/{sealed}", await relay.request("POST", path(endpoint), { headers: sent as Record<string, string> }));
    }
    const taken = await relay.request("POST", path(endpoint), { headers });
    const [, receipts] = /^<([^>]+)>/.exec(taken.headers.get("link")!)!;
    describes("GET /r/{sealed}", await relay.request("GET", path(receipts!), { headers: { Prefer: "wait=0" } }));
    const message = path(taken.headers.get("location")!);
    describes("GET /m/{sealed}", await relay.request("GET", message));
    describes("DELETE /m/{sealed}", await relay.request("DELETE", message));
    describes("DELETE /r/{sealed}", await relay.request("DELETE", path(receipts!)));
    const notify = "/_matrix/push/v1/notify";
    describes(`GET ${notify}`, await relay.request("GET", notify));
    const devices = [endpoint, "https://elsewhere.example/x"].map((pushkey) => ({ app_id: "org.example", pushkey }));
    for (const body of [{ notification: { devices } }, {}, "{", { notification: { devices, x: "x".repeat(5_000) } }]) {
      describes(`POST ${notify}`, await relay.request("POST", notify, { body }));
    }
    const coded = { headers: { "Content-Encoding": "gzip" }, body: {} };
    describes(`POST ${notify}`, await relay.request("POST", notify, coded));
    describes("DELETE /v1/devices/{device}/channels/{channel}", await device.request("DELETE", `${of}/channels/${channelID}`));
    describes("POST /wpush/{sealed}", await relay.request("POST", path(endpoint), { headers }));
    describes("GET /r/{sealed}", await relay.request("GET", path(receipts!)));
    describes("DELETE /v1/devices/{device}/channels", await device.request("DELETE", `${of}/channels`));
    agent.close();
  });

  test("every answer about webhooks fits its schema", async () => {
    const device = await relay.device();
    const path = `/v1/devices/${device.name}/webhook`;
    const of = "/v1/devices/{device}/webhook";
    const body = { url: "https://hooks.example/1", timeout: 1, events: ["message", "receipt"] };
    describes(`GET ${of}`, await relay.admin("GET", path));
    describes(`PUT ${of}`, await relay.admin("PUT", path, body));
    describes(`PUT ${of}`, await relay.admin("PUT", path, { ...body, max_in_flight: 16 }));
    describes(`PUT ${of}`, await relay.admin("PUT", path, { url: "https://10.0.0.1/" }));
    describes(`PUT ${of}`, await device.request("PUT", path, { body }));
    describes(`GET ${of}`, await relay.admin("GET", path));
    describes(`POST ${of}/rotate`, await relay.admin("POST", `${path}/rotate`));
    describes(`POST ${of}/test`, await relay.admin("POST", `${path}/test`));
    describes(`DELETE ${of}`, await relay.admin("DELETE", path));
    describes(`POST ${of}/test`, await relay.admin("POST", `${path}/test`));
  });

  test("every answer of hooks fits its schema", async () => {
    const device = await relay.device();
    const path = `/v1/devices/${device.name}/hooks`;
    const [make, use] = ["POST /v1/devices/{device}/hooks", "POST /h/{sealed}"];
    const terms = { to: { device: device.name }, ttl: 60, urgency: "high", topic: "t", name: "n", template: "text" };
    const made = await device.request("POST", path, { body: terms });
    expect(ajv.validate("openapi#/components/schemas/HookTerms", terms)).toBe(true);
    expect(ajv.validate("openapi#/components/schemas/HookTerms", { to: { tag: "a", device: "b" } })).toBe(false);
    describes(make, made);
    describes(make, await device.request("POST", path, { body: {} }));
    describes(make, await device.request("POST", path, { body: { ...terms, name: "x".repeat(3_000) } }));
    const { pathname } = new URL(made.is(200).url);
    const post = (headers: Record<string, string>, body = "x") => relay.request("POST", pathname, { headers, body });
    for (const [status, headers, body] of [
      [202, { "Idempotency-Key": "k" }], [422, { "Idempotency-Key": "k" }, "y"], [400, { "Idempotency-Key": "ä" }],
      [413, {}, "x".repeat(1_048_577)], [415, { "Content-Encoding": "gzip" }], [508, { "Tagpost-Via": relay.url.origin }],
    ] as [number, Record<string, string>, string?][]) {
      const answer = await post(headers, body);
      expect(answer.status, `${answer}`).toBe(status);
      describes(use, answer);
    }
    const revoked = await device.request("DELETE", path);
    describes("DELETE /v1/devices/{device}/hooks", revoked);
    describes(use, await post({}));
  });

  test("every answer about wake-ups fits its schema", async () => {
    const [device, sender] = (await relay.devices(2)) as [Device, Device];
    const path = `/v1/devices/${device.name}/wake`;
    const [one, all] = ["/v1/devices/{device}/wake/{subscription}", "/v1/devices/{device}/wake"];
    const body = { endpoint: "https://push.example/1", expirationTime: null, keys: { p256dh: "BA", auth: "AA" } };
    describes("GET /v1/wake-key", await relay.request("GET", "/v1/wake-key"));
    describes(`PUT ${all}`, await device.request("PUT", path, { body }));
    describes(`PUT ${all}`, await device.request("PUT", path, { body: { ...body, label: "phone" } }));
    describes(`PUT ${all}`, await device.request("PUT", path, { body: {} }));
    describes(`PUT ${all}`, await device.request("PUT", path, { headers: { "Content-Encoding": "gzip" }, body }));
    describes(`PUT ${all}`, await device.request("PUT", path, { body: { ...body, keys: { p256dh: "x".repeat(9_000) } } }));
    for (let n = 2; n < 10; n++) {
      const answer = await device.request("PUT", path, { body: { endpoint: `https://push.example/${n}` } });
      expect(answer.status).toBe(n < 9 ? 201 : 422);
      describes(`PUT ${all}`, answer);
    }
    const id = await sender.send({ device: device.name }, {});
    const trace = () => sender.trace(id);
    const woken = await until("a woken step", trace, (answer) => answer.text.includes("woken"));
    describes("GET /v1/messages/{id}", woken);
    const listed = await device.request("GET", path);
    describes(`GET ${all}`, listed);
    describes(`DELETE ${one}`, await device.request("DELETE", `${path}/${listed.json.wake[0].id}`));
    describes(`DELETE ${one}`, await device.request("DELETE", `${path}/x`));
    describes(`DELETE ${all}`, await device.request("DELETE", path));
  });

  test("every answer of a typical session fits its schema", async () => {
    const put = await relay.admin("PUT", "/v1/devices/doorbell", { publish: ["*", "@*"], expires_in: 600 });
    describes("PUT /v1/devices/{device}", put);
    describes("PUT /v1/devices/{device}", await relay.admin("PUT", "/v1/devices/doorbell"));
    const doorbell = relay.bearer("doorbell", put.is(201).token);
    const issued = await relay.admin("POST", "/v1/devices/doorbell/pair", { publish: [] });
    describes("POST /v1/devices/{device}/pair", issued);
    for (let n = 0; n < 11; n++) {
      describes("POST /v1/pair", await relay.request("POST", "/v1/pair", { body: { code: issued.is(200).code } }));
    }
    const [camera, offline] = await relay.devices(2);
    const socket = await camera!.connect();
    const to = { tag: "hallway" };

    for (const device of [camera!, offline!]) {
      const path = `/v1/tags/hallway/devices/${device.name}`;
      describes("PUT /v1/tags/{tag}/devices/{device}", await relay.admin("PUT", path));
    }
    describes("GET /v1/devices", await relay.admin("GET", "/v1/devices?limit=1"));
    describes("GET /v1/tags", await relay.admin("GET", "/v1/tags"));
    describes("GET /v1/tags/{tag}", await relay.admin("GET", "/v1/tags/hallway"));
    describes("GET /v1/tags/{tag}", await relay.admin("GET", "/v1/tags/hallway?presence=true"));
    describes("GET /v1/tags/{tag}", await relay.admin("GET", "/v1/tags/hallway?presence=true&limit=51"));

    const publish = doorbell.publish(to, { ring: 1 }, { wait: 10, key: "k", topic: "t", urgency: "high" });
    socket.ack((await socket.next("message")).id, { opened: true });
    const published = await publish;
    describes("POST /v1/tags/{tag}/messages", published);
    const { id } = published.is(202);
    describes("POST /v1/messages", await doorbell.publish({ match: `hallway & !@${camera!.name}` }, {}));
    describes("POST /v1/messages", await doorbell.publish({ match: "!hallway" }, {}));
    describes("POST /v1/messages", await doorbell.publish({ match: "nobody" }, {}));
    const refused = doorbell.publish({ device: camera!.name }, Uint8Array.of(1), { wait: 10, type: "image/png" });
    socket.nack((await socket.next("message")).id, "dark");
    describes("POST /v1/devices/{device}/messages", await refused);
    describes("POST /v1/devices/{device}/messages", await doorbell.publish({ device: offline!.name }, [], { ttl: 0 }));
    describes("POST /v1/tags/{tag}/messages", await doorbell.publish(to, { ring: 2 }, { key: "k" }));
    describes("POST /v1/tags/{tag}/messages", await doorbell.publish({ tag: "nobody" }, {}));
    describes("POST /v1/tags/{tag}/messages", await doorbell.publish(to, {}, { ttl: -1 }));
    const coded = { headers: { "Content-Encoding": "gzip" } };
    describes("POST /v1/tags/{tag}/messages", await doorbell.publish(to, {}, coded));
    describes("PUT /v1/devices/{device}", await relay.request("PUT", "/v1/devices/x", { token: relay.adminKey, ...coded, body: "{}" }));
    describes("POST /v1/tags/{tag}/messages", await doorbell.publish(to, "x".repeat(2000)));
    const burst = Array.from({ length: 60 }, (_, n) => doorbell.publish({ device: offline!.name }, n, { wait: 0 }));
    const limited = (await Promise.all(burst)).find(({ status }) => status === 429);
    expect(limited).toBeDefined();
    describes("POST /v1/devices/{device}/messages", limited!);

    const joining = await relay.device(undefined, { tags: ["joined"] });
    for (const method of ["PUT", "DELETE"]) {
      for (const tag of ["joined", "hallway"]) {
        const answer = await joining.request(method, `/v1/tags/${tag}/devices/${joining.name}`);
        expect(answer.status).toBe(tag === "joined" ? 204 : 403);
        describes(`${method} /v1/tags/{tag}/devices/{device}`, answer);
      }
    }
    describes("GET /v1/devices/{device}", await camera!.status());
    describes("GET /v1/devices/{device}", await offline!.status());
    describes("GET /v1/messages/{id}", await doorbell.trace(id));
    describes("GET /v1/messages/{id}", await camera!.trace(id));
    describes("GET /v1/messages", await doorbell.request("GET", "/v1/messages?limit=2&state=held"));
    const waiting = `/v1/devices/${offline!.name}/inbox`;
    describes("GET /v1/devices/{device}/inbox", await relay.admin("GET", `${waiting}?limit=2&payload=true`));
    describes("GET /v1/devices/{device}/inbox", await relay.admin("GET", waiting));
    describes("GET /v1/inbox", await offline!.request("GET", "/v1/inbox?limit=2"));
    describes("POST /v1/inbox/{id}/ack", await offline!.ack(id, { reply: 1 }));
    describes("POST /v1/inbox/{id}/nack", await offline!.nack(ID, { reason: "no" }));
    describes("POST /v1/inbox/{id}/nack", await offline!.nack(id, { reason: 7 }));
    describes("POST /v1/inbox/{id}/progress", await offline!.progress(ID, { for: 60, note: "on my way" }));
    describes("POST /v1/inbox/{id}/progress", await offline!.progress(id, { for: 0 }));
    describes("GET /v1/connect", await offline!.request("GET", "/v1/connect"));
    describes("DELETE /v1/messages/{id}", await doorbell.cancel(id));
    describes("DELETE /v1/messages/{id}", await camera!.cancel(id));
    const unbound = await relay.admin("DELETE", `/v1/tags/hallway/devices/${camera!.name}`);
    describes("DELETE /v1/tags/{tag}/devices/{device}", unbound);
    const oneToken = "/v1/devices/doorbell/tokens";
    for (let n = 0; n < 101; n++) {
      const answer = await relay.admin("DELETE", `${oneToken}/t${n}`);
      expect(answer.status).toBe(n < 100 ? 204 : 422);
      describes("DELETE /v1/devices/{device}/tokens/{jti}", answer);
    }
    const ended = await relay.admin("DELETE", `${oneToken}/${put.json.token_id}?expires_at=1`);
    describes("DELETE /v1/devices/{device}/tokens/{jti}", ended);
    describes("DELETE /v1/devices/{device}/tokens", await relay.admin("DELETE", "/v1/devices/doorbell/tokens"));
    describes("GET /v1/messages", await doorbell.request("GET", "/v1/messages"));
    describes("DELETE /v1/devices/{device}", await relay.admin("DELETE", "/v1/devices/doorbell"));
  });
});
