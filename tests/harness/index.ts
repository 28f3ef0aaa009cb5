// What a test file imports: one relay for all its tests, started before them and stopped after them.

import { afterAll, afterEach, beforeAll } from "vitest";

import { Relay, type RelayOptions } from "./relay.ts";

export { repeat } from "./repeat.ts";
export { until, within } from "./until.ts";
export { fresh } from "./service.ts";
export { mint, seconds, claimsOf } from "./token.ts";
export { HandshakeRefused, Socket } from "./socket.ts";
export type { Relay } from "./relay.ts";
export { deliverLate, type Device } from "./device.ts";
export type { Answer } from "./http.ts";
export type { Delivery, Frame, Target, Trace } from "./protocol.ts";

export function useRelay(options?: RelayOptions): Relay {
  const relay = new Relay(options);
  beforeAll(() => relay.start(), 60_000);
  afterAll(() => relay.stop(), 30_000);
  afterEach(({ task }) => {
    if (task.result?.state !== "fail") return;
    const lines = relay.logs.slice(-20).map(({ level, message }) => `  ${level} ${message}`);
    console.log(`the last lines of the relay's log at the failure of "${task.name}":\n${lines.join("\n")}`);
  });
  return relay;
}
