// Notifications: payloads for a person, with a title, a text and actions. docs/protocol.md defines their form.
//
// A payload is a notification as a whole, or not at all. Nothing here touches a page, so other pages can use it.

/** The longest texts, in characters. */
const MAX_TITLE = 128;
const MAX_BODY = 1024;
const MAX_LABEL = 32;
/** The most actions of a notification. */
const MAX_ACTIONS = 4;
/** The longest reply that the service takes, in bytes of JSON. No payload is nested as deep as a reply may be. */
const MAX_REPLY_BYTES = 4096;
/** The longest address, in characters. */
const MAX_URL = 2048;
/** Pictures that are in the payload itself. */
const INLINE_PICTURE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/]+={0,2}$/;
/** The id of an action, as that of a device. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** @typedef {{ id: string, label: string, reply?: unknown }} Action */
/** @typedef {{ title: string, body: string, actions: Action[], image?: string, url?: string }} Notification */

/**
 * The notification that a payload is; `undefined` if it is something else.
 *
 * @param {unknown} payload
 * @returns {Notification | undefined}
 */
export function notificationOf(payload) {
  const { title, body = "", actions = [], image, url } = payload ?? {};
  if (!isLabel(title, MAX_TITLE) || !isText(body, MAX_BODY) || !areActions(actions)) return undefined;
  return {
    title,
    body,
    actions: actions.map((action) => ({ id: action.id, label: labelOf(action), ...("reply" in action && { reply: action.reply }) })),
    ...(isPicture(image) && { image }),
    ...(isAddress(url) && { url }),
  };
}

/** Whether somebody has to choose an action. */
export const isQuestion = (notification) => notification !== undefined && notification.actions.length > 0;

/** The reply that chooses an action: its own, or its id. */
export const choice = (action) => ("reply" in action ? action.reply : { action: action.id });

/**
 * The label of the action that a reply chooses, or its id if the notification is unknown or has no such action.
 * `undefined` if the reply is something else.
 *
 * @param {unknown} reply
 * @param {Notification} [notification]
 * @returns {string | undefined}
 */
export function chosen(reply, notification) {
  const text = JSON.stringify(reply);
  const own = notification?.actions.find((action) => "reply" in action && JSON.stringify(action.reply) === text);
  if (own) return own.label;
  const { action, ...others } = reply ?? {};
  if (!isId(action) || Object.keys(others).length > 0) return undefined;
  return notification?.actions.find(({ id }) => id === action)?.label ?? action;
}

function areActions(actions) {
  if (!Array.isArray(actions) || actions.length > MAX_ACTIONS) return false;
  const ids = new Set(actions.map((action) => action?.id));
  return ids.size === actions.length && actions.every(isAction);
}

/** The label, or the title, as the Notifications API calls it. */
const labelOf = ({ label, title }) => (label === undefined ? title : label);

function isAction(action) {
  return isId(action?.id) && isLabel(labelOf(action), MAX_LABEL) && (!("reply" in action) || isReply(action.reply));
}

function isReply(reply) {
  return new TextEncoder().encode(JSON.stringify(reply)).length <= MAX_REPLY_BYTES;
}

/** Anything else in place of an address is for other readers. */
function isAddress(value) {
  return typeof value === "string" && value.length <= MAX_URL && URL.canParse(value) && new URL(value).protocol === "https:";
}

const isPicture = (value) => isAddress(value) || (typeof value === "string" && INLINE_PICTURE.test(value));

function isText(value, length) {
  // No character is longer than two units of a string.
  return typeof value === "string" && value.length <= 2 * length && [...value].length <= length;
}

const isLabel = (value, length) => isText(value, length) && value.trim() !== "";
const isId = (value) => typeof value === "string" && ID.test(value);
