// Pages and worker tell each other that the database has changed. A message says no more than that.

import { NAME } from "./place.js";

const channel = new BroadcastChannel(NAME);

/** @type {Set<() => void>} */
const listeners = new Set();

channel.addEventListener("message", () => listeners.forEach((listener) => listener()));

/** The database has changed: a record, an answer, or who this phone is. */
export function tell() {
  channel.postMessage("changed");
  // A channel does not hear itself.
  listeners.forEach((listener) => listener());
}

/** @param {() => void} listener @returns {() => void} what ends it */
export function onChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
