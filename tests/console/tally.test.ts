// The counts of a queue are followed from step to step, also of messages that the page has never seen.

import { expect, test } from "vitest";

const { Tally } = await import(new URL("../../console/js/devices/tally.js", import.meta.url).href);

function tally(counts: { held?: number; in_flight?: number; in_progress?: number }) {
  const tally = new Tally();
  tally.begin({ held: 0, in_flight: 0, in_progress: 0, ...counts });
  return tally;
}

const steps = (tally: any, ...steps: [id: string, event: string, attempt?: number, reason?: string][]) => {
  for (const [id, event, attempt = 1, reason] of steps) tally.take({ id, event, attempt, reason });
  return tally.counts;
};

test("a new message goes through its states, and leaves nothing", () => {
  const counted = tally({});
  expect(steps(counted, ["a", "held", 0])).toEqual({ held: 1, in_flight: 0, in_progress: 0 });
  expect(steps(counted, ["a", "sent"])).toEqual({ held: 0, in_flight: 1, in_progress: 0 });
  expect(steps(counted, ["a", "in_progress"])).toEqual({ held: 0, in_flight: 0, in_progress: 1 });
  expect(steps(counted, ["a", "delivered"])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
  expect(steps(counted, ["b", "sent"], ["b", "delivered"])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
  expect(steps(counted, ["c", "refused", 0])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
});

test("a message that was counted and never seen is taken for one of the others", () => {
  expect(steps(tally({ held: 3 }), ["a", "sent"])).toEqual({ held: 2, in_flight: 1, in_progress: 0 });
  expect(steps(tally({ held: 3, in_flight: 2 }), ["a", "delivered"])).toEqual({ held: 3, in_flight: 1, in_progress: 0 });
  expect(steps(tally({ held: 3 }), ["a", "expired", 0])).toEqual({ held: 2, in_flight: 0, in_progress: 0 });
  expect(steps(tally({ in_flight: 2 }), ["a", "held", 1])).toEqual({ held: 1, in_flight: 1, in_progress: 0 });
  expect(steps(tally({ in_flight: 2 }), ["a", "sent", 2])).toEqual({ held: 0, in_flight: 2, in_progress: 0 });
  expect(steps(tally({ in_flight: 2 }), ["a", "held", 0]), "a new one, not one of the two").toEqual({ held: 1, in_flight: 2, in_progress: 0 });
});

test("what is refused because the device was removed had waited, what a full queue refuses had not", () => {
  const removed = "device_removed";
  expect(steps(tally({ held: 2 }), ["a", "refused", 0, removed], ["b", "refused", 2, removed])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
  expect(steps(tally({ held: 2 }), ["a", "refused", 0, "queue_full"])).toEqual({ held: 2, in_flight: 0, in_progress: 0 });
});

test("a message that is listed is known by its state", () => {
  const counted = tally({ held: 1, in_flight: 1 });
  counted.know("a", "held");
  counted.know("b", "sent");
  expect(steps(counted, ["another", "sent"], ["another", "delivered"]), "not the one that is held").toEqual({ held: 1, in_flight: 1, in_progress: 0 });
  expect(steps(counted, ["new", "held", 0])).toEqual({ held: 2, in_flight: 1, in_progress: 0 });
  expect(steps(counted, ["b", "held", 1])).toEqual({ held: 3, in_flight: 0, in_progress: 0 });
  expect(steps(counted, ["a", "cancelled", 0], ["b", "expired"], ["new", "replaced", 0])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
});

test("a list that is older than a step changes nothing of it", () => {
  const counted = tally({ held: 1 });
  steps(counted, ["a", "sent"]);
  counted.know("a", "held");
  expect(steps(counted, ["a", "delivered"])).toEqual({ held: 0, in_flight: 0, in_progress: 0 });
});

test("no count falls below zero", () => {
  expect(steps(tally({}), ["a", "delivered"], ["b", "expired", 0], ["c", "held", 4])).toEqual({ held: 1, in_flight: 0, in_progress: 0 });
});
