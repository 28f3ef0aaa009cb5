// The browser has replaced the subscription, or ended it: tagpost gets the new one.

import * as self from "../shared/self.js";
import { subscribe } from "../shared/subscription.js";

export async function renewed() {
  const own = await self.read();
  // If it fails, the page tries again when it is opened.
  if (own && !own.isRefused) await subscribe(registration, own);
}
