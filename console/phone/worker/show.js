// Notifications, as the system shows them. The tag of each is the message's id, so that none is there twice.

import { isQuestion } from "../../js/notification.js";
import { addressee, beginning, plural } from "../../js/format.js";
import { HOST } from "../shared/place.js";

/** What is shown in place of a message. Of each kind there is one, and the newest takes the place of the one before. */
const NOTES = { more: "tagpost more", kept: "tagpost kept", notTaken: "tagpost not taken", unreachable: "tagpost unreachable", unpaired: "tagpost unpaired", nothingNew: "tagpost nothing new" };
/** The notes that are untrue once the inbox was fetched. */
const PASSING = [NOTES.unreachable, NOTES.unpaired, NOTES.nothingNew];
/** Milliseconds after which a note that nothing waits is taken down. */
const BRIEF = 4_000;
/** The longest text of a notification, in units of a string: no system shows more. */
const LONGEST = 500;

const ICONS = { icon: "icons/icon-192.png", badge: "icons/badge-96.png" };

/** @param {import("../shared/records.js").Entry} record */
export async function show({ id, from, to, sentAt, urgency, notification, text }) {
  const question = isQuestion(notification);
  const body = notification ? notification.body || `From ${from}${to.device ? "" : ` to ${addressee(to)}`}` : text;
  await registration.showNotification(notification?.title ?? from, {
    ...ICONS,
    body: beginning(body, LONGEST),
    tag: id,
    dir: "auto",
    timestamp: sentAt,
    // A question stays until it is answered.
    requireInteraction: question,
    silent: urgency === "very-low",
    ...(notification?.image && { image: notification.image }),
    ...(question && { actions: notification.actions.map((action) => ({ action: action.id, title: action.label })) }),
    data: { id, url: question ? undefined : notification?.url },
  });
}

/** @param {string} id of a message, or the tag of a note */
export async function takeDown(id) {
  for (const notification of await registration.getNotifications({ tag: id })) notification.close();
}

/** The inbox was fetched: notes that it was not, and that nothing was in it, go. @param {{ isAnswerKept: boolean }} options */
export async function takeDownPassing({ isAnswerKept }) {
  const tags = isAnswerKept ? PASSING : [...PASSING, NOTES.kept];
  for (const notification of await registration.getNotifications()) if (tags.includes(notification.tag)) notification.close();
}

/** More came than is shown one by one. @param {number} count all of them @param {{ isSilent: boolean }} options */
export const showMore = (count, { isSilent }) => note(NOTES.more, plural(count, "more message"), "Open the list to read them.", { isSilent });

/** The answer is kept. @param {string} label of the action */
export const kept = (label) => note(NOTES.kept, "Your answer is kept", `“${label}” is sent as soon as there is a network.`);

/** An answer was not accepted, or could not be stored. @param {string} id of the message @param {string} why */
export const notTaken = (id, why) => note(NOTES.notTaken, "Your answer was not sent", why, { id });

/** The inbox could not be fetched. */
export const unreachable = () => note(NOTES.unreachable, "Something waits for you", `${HOST} cannot be reached right now. Open the app to try again.`);

/** The service does not know this phone any more. */
export const unpaired = () => note(NOTES.unpaired, "This phone is not paired", `Pair it again with ${HOST} to get its messages.`);

/** What the knock was for has been taken, answered or withdrawn. It goes by itself. */
export async function nothingNew() {
  await note(NOTES.nothingNew, "Nothing new", "Everything has been handled.");
  // Not waited for: the browser looks for it at the end of the event. If the worker ends first, the next knock takes it
  // down.
  setTimeout(() => takeDown(NOTES.nothingNew), BRIEF);
}

function note(tag, title, body, { id, isSilent = true } = {}) {
  return registration.showNotification(title, { ...ICONS, body, tag, silent: isSilent, data: { id } });
}
