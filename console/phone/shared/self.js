// Who this phone is: the device, its token, and the subscription that wakes it. All of it stays in this browser.

import { result, transaction } from "./database.js";

const KEY = "self";

/**
 * @typedef {object} Self
 * @property {string} device
 * @property {string} token
 * @property {boolean} [isRefused] the service does not take the token any more
 * @property {{ id?: string, endpoint: string }} [wake] the subscription that the service has
 */

/** @returns {Promise<Self | undefined>} `undefined`: it is no device */
export const read = () => transaction(["self"], (store) => result(store.get(KEY)));

/** @param {Self} self */
export const keep = (self) => transaction(["self"], (store) => result(store.put(self, KEY)));

/** Changes some of it, if it is still this device. @param {Self} self @param {Partial<Self>} changes */
export function change(self, changes) {
  return transaction(["self"], async (store) => {
    const kept = await result(store.get(KEY));
    if (kept?.token === self.token) store.put({ ...kept, ...changes }, KEY);
  });
}
