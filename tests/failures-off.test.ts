// FAILURES=off: nothing is listed, and nothing is written for it.

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { FAILURES: "off" } });

test("no failure is listed, and the list says that it is off", async () => {
  const [sender, receiver] = await relay.devices(2);
  (await sender!.publish({ device: receiver!.name }, {}, { ttl: 0 })).is(200);
  expect((await relay.admin("GET", "/v1/failures")).is(200)).toEqual({ failures: [], next: null, off: true });
  expect(await relay.rows(sender!.name)).not.toHaveProperty("failures");
});
