// The credentials of this browser tab. They are kept only in its session storage, which ends with the tab.

import { BASE } from "./api.js";
import { deviceOf } from "./credential.js";
import { address } from "./routes.js";

/** Services below several paths of one host share its storage, and are not to share credentials. */
const KEY = `tagpost ${BASE.pathname}`;

/**
 * `adminKey`: also the viewer key, with which the service refuses what changes something or shows a payload.
 * `isElsewhere`: the device was connected elsewhere when its pane was opened, and the pane has not taken over.
 *
 * @typedef {{ device: string, token: string, tag?: string, isElsewhere?: boolean }} Kept
 * @typedef {{ adminKey?: string, panes: Kept[] }} Session
 */

/** @returns {Session | undefined} */
export function restore() {
  const kept = sessionStorage.getItem(KEY);
  return kept === null ? undefined : JSON.parse(kept);
}

/** @param {Session} session */
export function keep(session) {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

/**
 * What the link that opened the page asks for, as `#admin_key=…&device=…&tag=…` or `#token=…`; `device`
 * and `token` may be repeated. A fragment is never sent to a server; here it leaves the address bar and
 * the history entry, too, and makes room for the address of a page.
 */
export function takeLink() {
  const fragment = location.hash.slice(1);
  if (fragment === "" || fragment.startsWith("/")) return undefined;
  const link = new URLSearchParams(fragment);
  const tokens = link.getAll("token");
  const devices = link.getAll("device");
  const page = tokens.length + devices.length > 0 ? address("play") : address();
  history.replaceState(null, "", location.pathname + location.search + page);
  const adminKey = link.get("admin_key") ?? undefined;
  if (!adminKey && tokens.length === 0) return undefined;
  const tag = link.get("tag") ?? undefined;
  const panes = tokens.map((token) => ({ device: deviceOf(token) ?? "", token, tag }));
  return { session: { adminKey, panes }, devices, tag };
}
