// HEAD is GET without its body, wherever GET changes nothing.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("HEAD", () => {
  test.each(["/", "/health", "/openapi.json", "/v1/devices", "/v1/tags", "/v1/devices/nobody", "/v1/tags/nothing"])(
    "%s is answered as GET is, without the body",
    async (path) => {
      const [get, head] = [await relay.admin("GET", path), await relay.admin("HEAD", path)];
      expect(head.status).toBe(get.status);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(head.text).toBe("");
      expect(get.text).not.toBe("");
    },
  );

  test("a sender may ask for its messages and traces with it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    for (const path of ["/v1/messages", `/v1/messages/${id}`, `/v1/devices/${sender!.name}`]) {
      const head = await sender!.request("HEAD", path);
      expect([head.status, head.text], path).toEqual([200, ""]);
    }
    expect((await sender!.request("HEAD", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ")).status).toBe(404);
  });

  test("taking messages and connecting are GET only", async () => {
    const device = await relay.device();
    for (const path of ["/v1/inbox", "/v1/connect"]) {
      const head = await device.request("HEAD", path);
      expect(head.status, path).toBe(405);
      expect(head.headers.get("allow"), path).not.toContain("HEAD");
    }
  });
});
