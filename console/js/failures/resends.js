// Sending failures again: each message once, to all its devices that are meant.

import { Problem } from "../api.js";
import { resender } from "../message/resend.js";

/** How many messages are sent again at the same time. */
const AT_ONCE = 4;
/** How often one is tried that the service wants later, and the longest pause before, in milliseconds. */
const TRIES = 6;
const LONGEST = 10_000;

/** Failures by their message. @returns {import("./failure.js").Failure[][]} */
export function byMessage(failures) {
  const groups = new Map();
  for (const failure of failures) {
    if (!groups.has(failure.id)) groups.set(failure.id, []);
    groups.get(failure.id).push(failure);
  }
  return [...groups.values()];
}

export class Resends {
  #api;
  /** One that was not answered is repeated, and makes no second message. */
  #resenders = new Map();

  constructor(api) {
    this.#api = api;
  }

  /**
   * Sends these again, until `isStopped()`; each failure shows what became of it. `ondone(sent, failed)`: how many
   * messages are through. Returns `{ sent, failed }`.
   */
  async send(failures, { ondone = () => {}, isStopped = () => false } = {}) {
    const waiting = byMessage(failures);
    const done = { sent: 0, failed: 0 };
    const work = async () => {
      while (waiting.length > 0 && !isStopped()) {
        const isSent = await this.#one(waiting.shift());
        done[isSent ? "sent" : "failed"] += 1;
        ondone(done);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return done;
  }

  async #one(group) {
    for (const failure of group) failure.wait();
    try {
      const { id } = await this.#answered(group);
      for (const failure of group) failure.resent(id);
      return true;
    } catch (error) {
      for (const failure of group) failure.failed(error.message);
      return false;
    }
  }

  async #answered(group) {
    const resend = this.#resenderOf(group[0].id, group.map(({ device }) => device).sort());
    for (let tries = 1; ; tries++) {
      try {
        return await resend();
      } catch (error) {
        const isEarly = error instanceof Problem && error.code === "too_many_requests";
        if (!isEarly || tries === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST, 1000 * (error.pause ?? 1))));
      }
    }
  }

  #resenderOf(id, devices) {
    const key = [id, ...devices].join(" ");
    if (!this.#resenders.has(key)) this.#resenders.set(key, resender(this.#api, id, devices));
    return this.#resenders.get(key);
  }
}
