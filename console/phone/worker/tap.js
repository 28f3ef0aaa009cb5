// What the person does with a notification: chooses an action, opens it, or swipes it away.

import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as records from "../shared/records.js";
import * as self from "../shared/self.js";
import { isRefusal } from "../shared/service.js";
import { refused } from "../shared/subscription.js";
import { whenOnline } from "../shared/sync.js";
import { kept, notTaken, unpaired } from "./show.js";

/** @param {NotificationEvent} event */
export async function tapped({ notification, action }) {
  const { id, url } = notification.data ?? {};
  if (action && id !== undefined) return choose(notification, id, action);
  notification.close();
  // Windows open only right after the tap, so nothing is waited for before.
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

/** The notification stays until the answer is written down: a tap that came to nothing can be repeated. */
async function choose(notification, id, action) {
  let answered;
  try {
    answered = await answers.choose(id, action);
  } catch (error) {
    console.error("the answer was not written down:", error);
    return notTaken(id, "This phone could not store it. Try again.");
  }
  notification.close();
  const own = await self.read();
  // It was answered on the page, or is over: there it says so.
  if (!answered || !own) return openPage(id);
  try {
    await answers.flush(own);
    const { problem } = (await records.get(id)) ?? {};
    if (problem !== undefined) await notTaken(id, problem);
  } catch (failure) {
    if (isRefusal(failure)) {
      await refused(registration, own);
      await unpaired();
    } else {
      // Another answer may have been the one that failed.
      if ((await answers.unsent()).has(id)) await kept(answered.answer.label);
      await whenOnline(registration);
    }
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
