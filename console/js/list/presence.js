// The status of each device: online or not, the number of held messages, when it was last seen.
//
// Each request wakes a mailbox. So only devices in sight are asked for, a few at a time, each once; and again only when
// somebody wants to know.

import { Problem, devicePath } from "../api.js";
import { element, icon, unseen } from "../dom.js";
import { ago, number } from "../format.js";

const AT_ONCE = 6;

/**
 * @typedef {{ online: boolean, held: number, in_flight: number, in_progress: number, last_seen_at?: number }} Status
 */

export class Presence {
  #api;
  #onchange;
  #known = new Map();
  #wanted = [];
  #asking = new Set();

  /** `onchange(device)` is called when the status of a device has come. */
  constructor(api, onchange) {
    this.#api = api;
    this.#onchange = onchange;
  }

  /**
   * The status of a device: `undefined` before there is one, `null` if it has no mailbox.
   *
   * @returns {Status | null | undefined}
   */
  of(device) {
    return this.#known.get(device);
  }

  /** Says which devices are in sight; those without a status are asked for. */
  look(devices) {
    this.#wanted = devices.filter((device) => !this.#known.has(device));
    this.#ask();
  }

  /** Forgets every status. */
  forget() {
    this.#known.clear();
  }

  #ask() {
    while (this.#asking.size < AT_ONCE) {
      const device = this.#wanted.shift();
      if (device === undefined) return;
      if (!this.#asking.has(device)) this.#update(device);
    }
  }

  async #update(device) {
    this.#asking.add(device);
    const status = await this.#api
      .get(devicePath(device))
      .catch((error) => (error instanceof Problem && error.code === "unknown_device" ? null : undefined));
    this.#asking.delete(device);
    // What was not answered is asked for again when the device comes into sight the next time.
    if (status !== undefined) {
      this.#known.set(device, status);
      this.#onchange(device);
    }
    this.#ask();
  }
}

/** Whether a device is online, as a mark and a word. */
export function presenceMark(isOnline, words = isOnline ? "online" : "offline") {
  return element("span", { class: "presence", "data-online": `${isOnline}` }, icon(isOnline ? "online" : "offline"), element("span", {}, words));
}

/** The mark before the name of a device in a row. @param {Status | null | undefined} status */
export function presenceIcon(status) {
  const mark = icon(status === undefined ? "connecting" : status?.online ? "online" : "offline");
  mark.classList.toggle("is-online", Boolean(status?.online));
  return mark;
}

/** What a row says about a device beside its name. @param {Status | null | undefined} status */
export function presenceOf(status) {
  if (status === undefined) return [];
  if (status === null) return [element("span", { class: "muted small" }, "no mailbox")];
  const waiting = status.held + status.in_flight + status.in_progress;
  const seen = status.online ? "online" : status.last_seen_at ? ago(status.last_seen_at) : "never seen";
  return [
    unseen(status.online ? ", " : ", offline, "),
    waiting > 0 && element("span", { class: "count" }, number(waiting), unseen(" waiting, "), element("span", { class: "wide-only" }, " waiting")),
    element("span", { class: "muted small" }, seen),
  ].filter(Boolean);
}
