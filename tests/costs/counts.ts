// Reads the meter that bench/meter.js puts around a relay, and compares counts with costs.json.

import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { expect } from "vitest";

import type { Service } from "../harness/service.ts";
import { SHARING } from "./ways.ts";

export type Counts = Record<string, number>;

export const METER = { name: "meter.js", script: readFileSync("bench/meter.js", "utf8") };

const FILE = "tests/costs.json";
const UPDATE = process.env.UPDATE_COSTS !== undefined;
const expected: Record<string, Counts> = JSON.parse(readFileSync(FILE, "utf8"));
const seen: Record<string, Counts> = {};

/** Writes what was counted to costs.json, if UPDATE_COSTS is set. */
export function save(): void {
  if (UPDATE) writeFileSync(FILE, `${JSON.stringify({ ...expected, ...seen }, null, 2)}\n`);
}

/** Fails if these are not the expected counts. */
export function check(name: string, counts: Counts): void {
  if (UPDATE) seen[name] = counts;
  if (name.startsWith(SHARING)) {
    // Written alone, each would take a row, and another row to clean it up.
    const alone = counts.messages! * (name === SHARING ? 1 : 2);
    expect(counts.rows_written, name).toBeLessThanOrEqual(alone / 2);
    counts = { ...counts, rows_written: expected[name]!.rows_written! };
  }
  if (!UPDATE) expect(counts, name).toEqual(expected[name]);
}

/** How much the counts grow while something runs. */
export async function counted(relay: Service, run: () => Promise<unknown>): Promise<Counts> {
  const before = await still(relay);
  await run();
  const after = await still(relay);
  return Object.fromEntries(Object.entries(after).map(([what, count]) => [what, count - before[what]!]));
}

/** Stops counting the mailboxes of earlier tests, which may still have alarms. */
export async function anew(relay: Service): Promise<void> {
  (await relay.request("GET", "/v1/meter?anew")).is(200);
}

export async function meter(relay: Service): Promise<Counts> {
  // How many publishes share a query depends on when they arrive.
  const { d1_queries, ...counts } = (await relay.request("GET", "/v1/meter")).is(200);
  return counts;
}

/** The counts, once they no longer grow. What follows an answer has no event that could be awaited. */
export async function still(relay: Service): Promise<Counts> {
  let before = await meter(relay);
  for (;;) {
    await sleep(300);
    const now = await meter(relay);
    if (isDeepStrictEqual(now, before)) return now;
    before = now;
  }
}
