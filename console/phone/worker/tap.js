// What the person does with a notification: chooses an action, opens it, or swipes it away.

import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as records from "../shared/records.js";
import * as self from "../shared/self.js";
import { Problem } from "../shared/service.js";
import { kept, notTaken } from "./show.js";
import { whenOnline } from "./sync.js";

/** @param {NotificationEvent} event */
export async function tapped({ notification, action }) {
  notification.close();
  const { id, url } = notification.data ?? {};
  // Windows open only right after the tap, so nothing is waited for before.
  if (action && id !== undefined) return choose(id, action);
  const opened = url === undefined ? openPage(id) : clients.openWindow(url);
  if (id !== undefined) await records.markRead([id]);
  await Promise.all([opened, updateBadge()]);
}

/** Swiping a message away is to have seen it. A question is not answered by that. @param {NotificationEvent} event */
export async function closed({ notification }) {
  const { id } = notification.data ?? {};
  if (id === undefined) return;
  await records.markRead([id]);
  await updateBadge();
}

async function choose(id, action) {
  const answered = await answers.choose(id, action);
  const own = await self.read();
  // It was answered on the page, or is over: there it says so.
  if (!answered || !own) return openPage(id);
  try {
    await answers.flush(own);
    const { problem } = (await records.get(id)) ?? {};
    if (problem !== undefined) await notTaken(problem);
  } catch (failure) {
    if (failure instanceof Problem && failure.status === 401) await self.change(own, { isRefused: true });
    await kept(answered.answer.label);
    await whenOnline();
  }
  await updateBadge();
}

/** Brings the page to the front, at this message. */
async function openPage(id) {
  const address = id === undefined ? "./" : `./?message=${encodeURIComponent(id)}`;
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find(({ url }) => url.startsWith(registration.scope));
  if (!page) return clients.openWindow(address);
  page.postMessage({ open: id });
  await page.focus();
}
