// Sending a message again to devices that it did not reach.

import { freshKey, messagePath } from "../api.js";

/**
 * Sends it to these devices when it is called; without any, to all whose delivery failed. It returns the answer for the
 * new message. If none comes, or one of a failure inside, the next call repeats the same request, and makes no second
 * message. What the service refuses leaves no key behind, so that a key is good until there is a message.
 */
export function resender(api, id, devices) {
  let key = freshKey();
  return async () => {
    const answer = await api.request("POST", `${messagePath(id)}/resend`, {
      headers: { "idempotency-key": key },
      body: JSON.stringify(devices ? { devices } : {}),
    });
    key = freshKey();
    return answer;
  };
}
