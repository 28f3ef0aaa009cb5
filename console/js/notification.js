// Notifications: payloads for a person, with a title, a text and actions. docs/protocol.md defines their form.
//
// A payload is a notification as a whole, or not at all. Nothing here touches a page, so other pages can use it.

/** The longest texts, in characters. */
const MAX_TITLE = 128;
const MAX_BODY = 1024;
const MAX_LABEL = 32;
/** The most actions of a notification. */
const MAX_ACTIONS = 4;
/** The id of an action, as that of a device. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** @typedef {{ title: string, body: string, actions: { id: string, label: string }[] }} Notification */

/**
 * The notification that a payload is; `undefined` if it is something else.
 *
 * @param {unknown} payload
 * @returns {Notification | undefined}
 */
export function notificationOf(payload) {
  const { title, body = "", actions = [] } = payload ?? {};
  const isNotification = isLabel(title, MAX_TITLE) && isText(body, MAX_BODY) && areActions(actions);
  return isNotification ? { title, body, actions: actions.map(({ id, label }) => ({ id, label })) } : undefined;
}

/** Whether somebody has to choose an action. */
export const isQuestion = (notification) => notification !== undefined && notification.actions.length > 0;

/** The reply that chooses an action. */
export const choice = ({ id }) => ({ action: id });

/**
 * The label of the action that a reply chooses, or its id if the notification is unknown or has no such action.
 * `undefined` if the reply is something else.
 *
 * @param {unknown} reply
 * @param {Notification} [notification]
 * @returns {string | undefined}
 */
export function chosen(reply, notification) {
  const { action, ...others } = reply ?? {};
  if (!isId(action) || Object.keys(others).length > 0) return undefined;
  return notification?.actions.find(({ id }) => id === action)?.label ?? action;
}

function areActions(actions) {
  if (!Array.isArray(actions) || actions.length > MAX_ACTIONS) return false;
  const ids = new Set(actions.map((action) => action?.id));
  return ids.size === actions.length && actions.every((action) => isId(action?.id) && isLabel(action.label, MAX_LABEL));
}

function isText(value, length) {
  // No character is longer than two units of a string.
  return typeof value === "string" && value.length <= 2 * length && [...value].length <= length;
}

const isLabel = (value, length) => isText(value, length) && value.trim() !== "";
const isId = (value) => typeof value === "string" && ID.test(value);
