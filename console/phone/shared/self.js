// Who this phone is: the device, its token, and the subscription that wakes it. All of it stays in this browser.

import { tell } from "./channel.js";
import { replaceAll, result, transaction } from "./database.js";

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

/** The phone becomes this device. Nothing is left of what it was before. @param {Self} self */
export async function become(self) {
  await replaceAll({ self: [KEY, self] });
  tell();
}

/** The phone is no device any more, and has no messages. */
export async function forget() {
  await replaceAll();
  tell();
}

/** Whether it is this device still: another page may have paired or forgotten it. @param {Self} self */
export const isCurrent = async ({ token }) => (await read())?.token === token;

/** Changes some of it, if it is still this device. @param {Self} self @param {Partial<Self>} changes */
export async function change(self, changes) {
  await transaction(["self"], async (store) => {
    const kept = await result(store.get(KEY));
    if (kept?.token === self.token) store.put({ ...kept, ...changes }, KEY);
  });
  tell();
}
