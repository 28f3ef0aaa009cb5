// The notifications that the worker has shown. Who looks at the page needs them no longer.

/** @param {string} id of a message */
export const takeDown = (id) => close((notification) => notification.tag === id);

/** Takes down all but the questions. @param {Set<string>} open the ids of the questions that are open */
export const takeDownRead = (open) => close(({ tag }) => !open.has(tag));

async function close(isMeant) {
  const registration = await navigator.serviceWorker?.getRegistration("./");
  const notifications = (await registration?.getNotifications?.().catch(() => [])) ?? [];
  for (const notification of notifications) if (isMeant(notification)) notification.close();
}
