// What holds for every answer: paths, methods, problem documents, CORS.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

/** Every path of the contract with the methods it has. */
const PATHS: [path: string, methods: string[]][] = [
  ["/", ["GET"]],
  ["/health", ["GET"]],
  ["/openapi.json", ["GET"]],
  ["/v1/devices", ["GET"]],
  ["/v1/devices/camera-1", ["GET", "PUT", "DELETE"]],
  ["/v1/devices/camera-1/tokens", ["DELETE"]],
  ["/v1/devices/camera-1/messages", ["GET", "POST"]],
  ["/v1/tags", ["GET"]],
  ["/v1/tags/kitchen", ["GET"]],
  ["/v1/tags/kitchen/devices/camera-1", ["PUT", "DELETE"]],
  ["/v1/tags/kitchen/messages", ["POST"]],
  ["/v1/messages", ["GET", "POST"]],
  ["/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ", ["GET", "DELETE"]],
  ["/v1/connect", ["GET"]],
  ["/v1/inbox", ["GET"]],
  ["/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/ack", ["POST"]],
  ["/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/nack", ["POST"]],
  ["/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/progress", ["POST"]],
];

describe.concurrent("HTTP", () => {
  test("/health is answered to anyone", async () => {
    const answer = await relay.request("GET", "/health");
    expect(answer.is(200)).toEqual({ status: "ok", version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  });

  test.each(PATHS)("%s answers any other method than %j with 405 and Allow", async (path, methods) => {
    for (const method of ["GET", "PUT", "POST", "DELETE", "PATCH"]) {
      if (methods.includes(method)) continue;
      const answer = await relay.admin(method, path);
      answer.problem(405, "method_not_allowed");
      const allow = (answer.headers.get("allow") ?? "").split(/\s*,\s*/);
      expect(allow, `${answer}`).toEqual(expect.arrayContaining(methods));
      expect(allow, `${answer}`).not.toContain(method);
    }
  });

  test.each(["/v1", "/v2/devices", "/v1/devices/a/b", "/v1/nothing", "/nothing", "/v1/inbox/x/ack/y"])(
    "%s is 404 not_found",
    async (path) => {
      (await relay.admin("GET", path)).problem(404, "not_found");
    },
  );

  test("a browser's preflight allows every header of the description, without a credential", async () => {
    const { json: description } = await relay.request("GET", "/openapi.json");
    const operations = Object.entries<any>(description.paths).filter(([path]) => path.startsWith("/v1/"));
    const used: { $ref: string }[] = operations.flatMap(([, of]) => Object.values<any>(of).flatMap(({ parameters }) => parameters ?? []));
    const parameters = new Set(used.map(({ $ref }) => description.components.parameters[$ref.split("/").at(-1)!]));
    // A page cannot set this one.
    const names = [...parameters].filter((it) => it.in === "header" && it.name !== "Sec-WebSocket-Protocol").map(({ name }) => name);
    const headers = ["Authorization", "Content-Type", ...names].map((name) => name.toLowerCase());
    expect(headers).toContain("urgency");
    for (const [path, method] of [
      ["/", "GET"],
      ["/v1/tags/kitchen/messages", "POST"],
      ["/v1/devices/camera-1", "PUT"],
      ["/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ", "DELETE"],
    ] as const) {
      const answer = await relay.request("OPTIONS", path, {
        headers: {
          Origin: "https://app.example",
          "Access-Control-Request-Method": method,
          "Access-Control-Request-Headers": headers.toSorted().join(","),
        },
      });
      expect([200, 204], `${answer}`).toContain(answer.status);
      expect(["*", "https://app.example"]).toContain(answer.headers.get("access-control-allow-origin"));
      expect(answer.headers.get("access-control-allow-methods")).toContain(method);
      const allowed = (answer.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(/\s*,\s*/);
      expect(allowed.toSorted()).toEqual(headers.toSorted());
    }
  });

  test("answers and errors can be read by a page of another origin", async () => {
    const [sender, receiver] = await relay.devices(2);
    const Origin = "https://app.example";
    const answers = [
      await sender!.publish({ device: receiver!.name }, {}, { wait: 0, headers: { Origin } }),
      await sender!.publish({ device: "nobody-here" }, {}, { headers: { Origin } }),
      await relay.request("GET", "/v1/inbox", { headers: { Origin } }),
      await relay.request("GET", "/nothing", { headers: { Origin } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([202, 404, 401, 404]);
    for (const answer of answers) {
      expect(["*", Origin], `${answer}`).toContain(answer.headers.get("access-control-allow-origin"));
    }
    const exposed = (answers[0]!.headers.get("access-control-expose-headers") ?? "").toLowerCase();
    expect(exposed).toContain("location");
    expect(exposed).toContain("retry-after");
  });

  test("an id that is no ULID is refused", async () => {
    const device = await relay.device();
    for (const answer of [await device.trace("not-an-id"), await device.cancel("not-an-id")]) {
      expect([400, 404], `${answer}`).toContain(answer.status);
      answer.problem(answer.status);
    }
  });
});
