// Notifications, as the system shows them. The tag of each is the message's id, so that none is there twice.

import { isQuestion } from "../../js/notification.js";
import { addressee, plural } from "../../js/format.js";
import { HOST } from "../shared/place.js";

/** The tag of what is shown in place of a message; the newest takes the place of the one before. */
const NOTE = "tagpost";
/** Milliseconds after which a note that nothing waits is taken down. */
const BRIEF = 4_000;
/** The longest text of a notification, in characters: no system shows more. */
const LONGEST = 500;

const ICONS = { icon: "icons/icon-192.png", badge: "icons/badge-96.png" };

/** @param {import("../shared/records.js").Entry} record */
export async function show({ id, from, to, sentAt, urgency, notification, text }) {
  const question = isQuestion(notification);
  await registration.showNotification(notification?.title ?? from, {
    ...ICONS,
    body: (notification ? notification.body || `From ${from}${to.device ? "" : ` to ${addressee(to)}`}` : text).slice(0, LONGEST),
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

/** @param {string} id of a message */
export async function takeDown(id) {
  for (const notification of await registration.getNotifications({ tag: id })) notification.close();
}

/** More came than is shown one by one. @param {number} count */
export const showMore = (count) => note(`${plural(count, "more message")}`, "Open the list to read them.");

/** The answer is kept. @param {string} label of the action */
export const kept = (label) => note("Your answer is kept", `“${label}” is sent as soon as there is a network.`);

/** The answer was not taken. @param {string} why */
export const notTaken = (why) => note("Your answer was not taken", why);

/** The inbox could not be fetched. */
export const unreachable = () => note("Something waits for you", `${HOST} cannot be reached right now. Open the app to try again.`);

/** The service does not know this phone any more. */
export const unpaired = () => note("This phone is not paired", `Pair it again with ${HOST} to get its messages.`);

/** What the knock was for has been taken, answered or withdrawn. It goes by itself. */
export async function nothingNew() {
  await note("Nothing new", "What came has been dealt with.");
  // Not waited for: the browser looks for it at the end of the event. If the worker ends first, the next note takes its
  // place.
  setTimeout(() => takeDown(NOTE), BRIEF);
}

function note(title, body) {
  return registration.showNotification(title, { ...ICONS, body, tag: NOTE, silent: true, data: {} });
}
