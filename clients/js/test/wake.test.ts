// A page that comes back does not wait for its next attempt. Node has no page, so the test is the page.

import { afterEach, expect, test, vi } from "vitest";

import { useRelay } from "../../../tests/harness/index.ts";
import { change, state, useClients } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test.each(["online", "pageshow", "resume", "visibilitychange"])("%s makes it connect at once", async (event) => {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("document", document);
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.spyOn(Math, "random").mockReturnValue(1);
  const line = await network(() => relay.url);
  line.down();
  const device = client(line.url, await relay.device());
  while (((await change(device, "offline")).retryIn ?? 0) < 4_000);
  line.up();
  // A page that is hidden is not back.
  document.dispatchEvent(new Event("visibilitychange"));
  expect(device.state).toBe("offline");

  document.visibilityState = "visible";
  const started = performance.now();
  page.dispatchEvent(new Event(event));
  document.dispatchEvent(new Event(event));
  await state(device, "online");
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(line.connections, "two signs at once make one connection").toBe(7);
});

test("a closed device ignores wake-up events", async () => {
  const page = new EventTarget();
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const line = await network(() => relay.url);
  const device = client(line.url, await relay.device());
  await state(device, "online");
  device.close();
  page.dispatchEvent(new Event("online"));
  await state(client(line.url, await relay.device()), "online");
  expect(line.connections).toBe(2);
});
