// How many messages wait for a device, in which state: counted on from what the service last said, step by step.
//
// The states of few messages are known, those that were listed or have had a step; the others are only counted. A
// message that is not known is one of the others if there can be any, or else it is new: the service sends no new
// message past those that are held.

/** By the state of a delivery, the name of its count. */
const COUNTS = { held: "held", sent: "in_flight", in_progress: "in_progress" };

export class Tally {
  /** @type {{ held: number, in_flight: number, in_progress: number }} */
  counts = { held: 0, in_flight: 0, in_progress: 0 };
  #known = new Map();

  /** Starts over from these counts. */
  begin({ held, in_flight, in_progress }) {
    this.counts = { held, in_flight, in_progress };
    this.#known.clear();
  }

  /** A message is listed in this state, and so is counted already. What its steps have said since stays. */
  know(id, state) {
    if (!this.#known.has(id)) this.#known.set(id, COUNTS[state]);
  }

  /** Something has happened. */
  take({ id, event, attempt, reason }) {
    const before = this.#known.get(id) ?? this.#guess(event, attempt, reason);
    if (before) this.counts[before] -= 1;
    this.#known.delete(id);
    const after = COUNTS[event];
    if (!after) return;
    this.counts[after] += 1;
    this.#known.set(id, after);
  }

  /** In which count a message is that is not known: `undefined` if in none. */
  #guess(event, attempt, reason) {
    const candidates = {
      held: attempt > 0 ? ["in_flight", "in_progress"] : [],
      sent: attempt > 1 ? ["held", "in_flight"] : ["held"],
      in_progress: ["in_flight", "held"],
      delivered: ["in_flight", "in_progress", "held"],
      rejected: ["in_flight", "in_progress", "held"],
      undeliverable: ["in_flight", "held"],
      // What a full queue refuses was never counted.
      refused: reason === "device_removed" ? ["held", "in_flight", "in_progress"] : [],
      expired: ["held", "in_flight", "in_progress"],
      replaced: ["held", "in_flight", "in_progress"],
      cancelled: ["held", "in_flight", "in_progress"],
    };
    return (candidates[event] ?? []).find((count) => this.counts[count] > this.#knownIn(count));
  }

  #knownIn(count) {
    return [...this.#known.values()].filter((other) => other === count).length;
  }
}
