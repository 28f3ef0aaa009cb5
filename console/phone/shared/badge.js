// The number on the app's icon, where the system shows one.

import { wanting } from "./records.js";

export async function updateBadge() {
  if (!navigator.setAppBadge) return;
  const count = await wanting();
  // It is refused where the app is not installed.
  await (count > 0 ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => {});
}
