// The status of each device: online or not, the number of held messages, when it was last seen.
//
// Only visible devices are requested, a few at a time, since each request wakes a mailbox.

import { Problem, devicePath } from "../api.js";

const AT_ONCE = 6;
/** Milliseconds after which an answer is too old to be shown without asking again. */
const FRESH = 10_000;

export class Presence {
  /** Called with a device whose status has come. */
  onchange = () => {};
  #api;
  #known = new Map();
  #wanted = [];
  #asking = new Set();

  constructor(api) {
    this.#api = api;
  }

  /** The last status of a device: `undefined` before there is one, `null` if the device is not known. */
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
    const status = await this.#api
      .get(devicePath(device))
      .catch((error) => (error instanceof Problem && error.code === "unknown_device" ? null : undefined));
    this.#asking.delete(device);
    // A request that failed is repeated with the next refresh.
    if (status !== undefined) {
      this.#known.set(device, { status, at: Date.now() });
      this.onchange(device);
    }
    this.#ask();
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
