// A limit that is not in range stops the service with a message that names it.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { MAX_ATTEMPTS: 0 } });

test("a service with a limit out of range takes nothing, and says which limit it is", async () => {
  (await relay.admin("PUT", "/v1/devices/camera-1")).problem(500);
  (await relay.minted().request("GET", "/v1/inbox")).problem(500);
  expect(relay.logs.map(({ message }) => message).join("\n")).toContain("MAX_ATTEMPTS");
  expect(await relay.objects()).toEqual([]);
});
