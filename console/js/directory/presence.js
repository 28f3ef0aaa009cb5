// What the relay says of each device: online or not, how much waits, when it was last seen.
//
// Only what somebody looks at is asked for, a few at a time, since every question wakes a mailbox.

import { Problem, devicePath } from "../api.js";

const AT_ONCE = 6;
/** Milliseconds after which an answer is too old to be shown without asking again. */
const FRESH = 10_000;

export class Presence {
  /** Called with a device whose status has come. */
  onchange = () => {};
  /** Called with a device that the relay does not know any more. */
  ongone = () => {};
  #api;
  #known = new Map();
  #wanted = [];
  #asking = new Set();

  constructor(api) {
    this.#api = api;
  }

  /** The last status of a device, if there was one. */
  of(device) {
    return this.#known.get(device)?.status;
  }

  /** Says which devices are looked at now; those whose status is old are asked for. */
  look(devices) {
    this.#wanted = devices.filter((device) => Date.now() - (this.#known.get(device)?.at ?? 0) > FRESH);
    this.#ask();
  }

  /** Asks for one device now. */
  async update(device) {
    this.#asking.add(device);
    try {
      const status = await this.#api.get(devicePath(device));
      this.#known.set(device, { status, at: Date.now() });
      this.onchange(device);
    } catch (error) {
      if (error instanceof Problem && error.code === "unknown_device") this.ongone(device);
    } finally {
      this.#asking.delete(device);
      this.#ask();
    }
  }

  forget(device) {
    this.#known.delete(device);
  }

  #ask() {
    while (this.#asking.size < AT_ONCE) {
      const device = this.#wanted.shift();
      if (device === undefined) return;
      if (!this.#asking.has(device)) this.update(device);
    }
  }
}
