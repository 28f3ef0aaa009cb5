// The list of what came: one record for each message, by its id, so that a repeat is known. Bounded, oldest out first.
//
// Page and worker write it at the same time. Each change is one transaction, and is told to the other.

import { beginning } from "../../js/format.js";
import { isQuestion, notificationOf } from "../../js/notification.js";
import { tell } from "./channel.js";
import { result, transaction } from "./database.js";

/** How many messages are kept. A question that is open is kept beyond that, up to as many again. */
const KEPT = 300;
/** How much of a payload is kept, in units of a string. */
const MAX_TEXT = 8_192;
/** How many of the newest keep their picture, which may be large. */
const PICTURES = 30;

/**
 * @typedef {object} Entry What came, and what became of it.
 * @property {string} id
 * @property {string} from
 * @property {{ tag?: string, device?: string, match?: string }} to
 * @property {number} sentAt by the service's clock
 * @property {number} arrivedAt by this phone's clock
 * @property {string} urgency
 * @property {import("../../js/notification.js").Notification} [notification]
 * @property {string} text the payload, if it is no notification; its beginning, if it is long
 * @property {boolean} isCode whether the text is JSON, for programs rather than for people
 * @property {boolean} isShown whether the person has been shown it, in a notification or on the page
 * @property {boolean} [isMore] it was shown as one of a number, without a notification of its own
 * @property {boolean} isRead
 * @property {"received" | "open" | "answered" | "over"} state `open`: a question that waits for its answer
 * @property {boolean} [isHeld] the service knows that the question waits for a person
 * @property {{ label?: string, reply?: unknown, reason?: string }} [answer]
 * @property {string} [why] why it is over, where the service said so
 * @property {string} [problem] why the service did not take the answer
 */

/**
 * The record of a message that has come: the one there is, or a new one.
 *
 * @param {Pick<Entry, "id" | "from" | "to" | "sentAt" | "urgency" | "text" | "isCode"> & { payload: unknown }} message
 * @returns {Promise<Entry>}
 */
export async function take({ id, from, to, sentAt, urgency, payload, text, isCode }) {
  const record = await transaction(["messages"], async (store) => {
    const known = await result(store.get(id));
    // What was withdrawn and comes again all the same is open again.
    if (known && known.state !== "over") return known;
    const notification = notificationOf(payload);
    const record = {
      id,
      from,
      to,
      sentAt,
      arrivedAt: known?.arrivedAt ?? Date.now(),
      urgency,
      notification,
      text: notification ? "" : beginning(text, MAX_TEXT),
      isCode,
      isShown: false,
      isRead: false,
      state: isQuestion(notification) ? "open" : "received",
    };
    await result(store.put(record));
    if (!known) await prune(store);
    return record;
  });
  tell();
  return record;
}

/**
 * Changes a record, if there is one and `when` holds for it.
 *
 * @param {string} id
 * @param {Partial<Entry>} changes
 * @param {(record: Entry) => boolean} [when]
 * @returns {Promise<Entry | undefined>} as it is now; `undefined` if nothing was changed
 */
export async function change(id, changes, when = () => true) {
  const changed = await transaction(["messages"], async (store) => {
    const record = await result(store.get(id));
    if (!record || !when(record)) return undefined;
    await result(store.put({ ...record, ...changes }));
    return { ...record, ...changes };
  });
  if (changed) tell();
  return changed;
}

/** @param {string} id @returns {Promise<Entry | undefined>} */
export const get = (id) => transaction(["messages"], (store) => result(store.get(id)));

/** All, newest first. @returns {Promise<Entry[]>} */
export async function all() {
  const records = await transaction(["messages"], (store) => result(store.getAll()));
  return records.sort((a, b) => b.arrivedAt - a.arrivedAt || (a.id < b.id ? 1 : -1));
}

/** The person has seen these. @param {string[]} ids */
export async function markRead(ids) {
  if (ids.length === 0) return;
  await transaction(["messages"], async (store) => {
    for (const id of ids) {
      const record = await result(store.get(id));
      if (record && !record.isRead) store.put({ ...record, isRead: true, isShown: true });
    }
  });
  tell();
}

/** How many want the person's attention: the unread, and the questions that are open. */
export async function wanting() {
  return (await all()).filter(({ isRead, state }) => state === "open" || (state === "received" && !isRead)).length;
}

async function prune(store) {
  const records = (await result(store.getAll())).sort((a, b) => b.arrivedAt - a.arrivedAt);
  records.forEach((record, at) => {
    const isKept = at < KEPT || (record.state === "open" && at < 2 * KEPT);
    if (!isKept) return store.delete(record.id);
    if (at < PICTURES || !record.notification?.image) return;
    const { image, ...notification } = record.notification;
    store.put({ ...record, notification });
  });
}
