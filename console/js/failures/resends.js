// Sending failures again: each message once, to all its devices that are meant.
//
// What is under way, and what was not answered, is known by the failure's key, whichever row shows it: a list that is
// loaded anew does not forget it. Nobody knows what became of a request without an answer, so only the same one is
// repeated, to the same devices.

import { Problem, Unanswered } from "../api.js";
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

const isEarly = (error) => error instanceof Problem && error.code === "too_many_requests";

/**
 * One message, and the devices that it is sent to with one request. `why` is why it was not answered, `fresh` the id of
 * the new message.
 *
 * @typedef {{ keys: string[], resend: () => Promise<{ id: string }>, isBusy: boolean, why?: string, fresh?: string }}
 *   Group
 */

export class Resends {
  #api;
  #rowOf;
  /** By key, the group that a failure was last sent with. @type {Map<string, Group>} */
  #groups = new Map();

  /** `rowOf(key)`: the row that shows a failure at the moment, if any. */
  constructor(api, rowOf) {
    this.#api = api;
    this.#rowOf = rowOf;
  }

  /** A row that is listed anew shows what is known. */
  show(failure) {
    const { fresh, isBusy, why = "" } = this.#groups.get(failure.key) ?? {};
    if (failure.isResent) return;
    if (fresh) failure.resent(fresh);
    else if (isBusy) failure.wait();
    else failure.failed(why);
  }

  /** The requests with which these are sent. One without an answer is made as before. @returns {Group[]} */
  groups(failures) {
    const known = failures.map(({ key }) => this.#groups.get(key)).filter(Boolean);
    const fresh = failures.filter(({ key }) => !this.#groups.has(key));
    return [...new Set(known), ...byMessage(fresh).map((rows) => this.#group(rows))];
  }

  /**
   * Makes these requests, until `isStopped()`; each row shows what became of it. `ondone({ sent, failed })`: how many
   * are through. Returns the same.
   */
  async send(groups, { ondone = () => {}, isStopped = () => false } = {}) {
    const waiting = groups.filter(({ isBusy }) => !isBusy);
    const done = { sent: 0, failed: 0 };
    for (const group of waiting) this.#begin(group);
    const work = async () => {
      while (waiting.length > 0 && !isStopped()) {
        const isSent = await this.#one(waiting.shift());
        done[isSent ? "sent" : "failed"] += 1;
        ondone(done);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    // Their turn did not come.
    for (const group of waiting) this.#end(group, group.why, group.why);
    return done;
  }

  #group(rows) {
    const devices = rows.map(({ device }) => device).sort();
    return { keys: rows.map(({ key }) => key), resend: resender(this.#api, rows[0].id, devices), isBusy: false };
  }

  #rows(group) {
    return group.keys.map((key) => this.#rowOf(key)).filter(Boolean);
  }

  #begin(group) {
    group.isBusy = true;
    for (const key of group.keys) this.#groups.set(key, group);
    for (const row of this.#rows(group)) row.wait();
  }

  async #one(group) {
    try {
      const { id } = await this.#answered(group);
      group.fresh = id;
      for (const row of this.#rows(group)) row.resent(id);
      return true;
    } catch (error) {
      const isUnknown = error instanceof Unanswered || error.status >= 500;
      // What the service wants later says nothing about an earlier request.
      this.#end(group, isUnknown ? error.message : isEarly(error) ? group.why : undefined, error.message);
      return false;
    }
  }

  /** It is no longer under way. `why`: it has to be repeated as it was, for this reason. `said`: what its rows say. */
  #end(group, why, said = "") {
    group.isBusy = false;
    group.why = why;
    for (const row of this.#rows(group)) row.failed(said);
    if (why === undefined) for (const key of group.keys) this.#groups.delete(key);
  }

  async #answered(group) {
    for (let tries = 1; ; tries++) {
      try {
        return await group.resend();
      } catch (error) {
        if (!isEarly(error) || tries === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST, 1000 * (error.pause ?? 1))));
      }
    }
  }
}
