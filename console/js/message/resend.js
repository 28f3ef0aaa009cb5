// Sending a message again to devices that it did not reach.

import { freshKey, messagePath } from "../api.js";

/** Sends it to these devices; without any, to all whose delivery failed. Returns the answer for the new message. */
export function resend(api, id, devices) {
  return api.request("POST", `${messagePath(id)}/resend`, {
    // Should the answer be lost, the browser may repeat the request.
    headers: { "idempotency-key": freshKey() },
    body: JSON.stringify(devices ? { devices } : {}),
  });
}
