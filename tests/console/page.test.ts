// How the page is served: with its headers, beside the interface and never in its place.

import { describe, expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";

const relay = useRelay();

describe.concurrent("the page", () => {
  test.each(["/", "/js/main.js", "/css/base.css", "/icon.svg", "/tagpost/index.js", "/lean-qr/nano.js"])(
    "%s is served with a strict policy",
    async (path) => {
      const { status, headers } = await relay.request("GET", path);
      expect(status).toBe(200);
      const policy = headers.get("content-security-policy") ?? "";
      for (const directive of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
        expect(policy.split("; ")).toContain(directive);
      }
      expect(policy).not.toContain("unsafe");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    },
  );

  test("it refers to nothing of another origin", async () => {
    const page = (await relay.request("GET", "/")).text;
    const addresses = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
    expect(addresses.length).toBeGreaterThan(5);
    expect(addresses.filter((address) => /^(\w+:)?\/\//.test(address))).toEqual([]);
  });

  test("everything that is no file of it reaches the Worker", async () => {
    for (const path of ["/nothing", "/js", "/js/nothing.js", "/_headers", "/v1", "/tagpost/"]) {
      (await relay.request("GET", path)).problem(404, "not_found");
    }
    (await relay.request("GET", "/health")).is(200);
    (await relay.request("GET", "/openapi.json")).is(200);
    (await relay.request("GET", "/v1/devices")).problem(401, "unauthorized");
  });
});
