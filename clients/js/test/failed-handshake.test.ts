// A handshake that fails without a close, as in Node.js 22: its WebSocket says `error` and nothing else.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket as WebSocketOfNode22, fetch as fetchOfNode22 } from "undici6";

import { useRelay } from "../../../tests/harness/index.ts";
import { change, state, useClients, within } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

/** Milliseconds within which a handshake that failed at once has to be known to have failed. */
const AT_ONCE = 5_000;

beforeAll(() => {
  vi.stubGlobal("WebSocket", WebSocketOfNode22);
  vi.stubGlobal("fetch", fetchOfNode22);
});
afterAll(() => void vi.unstubAllGlobals());

test("a token that is refused is an error at once", async () => {
  const device = client(relay.url, { token: "not.a.token" });
  const { error } = await within("the error", change(device, "closed"), AT_ONCE);
  expect(error).toMatchObject({ code: "unauthorized" });
});

test("an outage is detected at once, and so is each attempt during it", async () => {
  const b = await relay.device();
  const line = await network(() => relay.url);
  const device = client(line.url, b);
  await state(device, "online");
  line.down();
  for (const attempt of [1, 2, 3]) {
    await within(`the end of attempt ${attempt}`, change(device, "offline"), AT_ONCE + 1_000 * 2 ** attempt);
  }
  line.up();
  await state(device, "online");
});
