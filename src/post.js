// A request to the address of a webhook.

/** How much of an answer is read, in bytes. */
const MOST = 65_536;

/** Posts `body`, and reads the answer: its status, how many milliseconds it took, the seconds of its `Retry-After` if it
 * has one, its media type if it has one, and its body, or the beginning of it. If there is no answer within `limit`
 * milliseconds, the status is `timeout`; if it breaks, `connect`. A redirect is an answer, and is not followed. */
export async function post(url, headers, body, limit) {
  const began = Date.now();
  const signal = AbortSignal.timeout(limit);
  let response;
  try {
    response = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal });
    const isRead = response.ok || response.status === 422;
    const bytes = isRead ? await beginning(response.body, signal) : new Uint8Array();
    const { status } = response;
    return [status, Date.now() - began, secondsOf(response.headers.get("retry-after")), response.headers.get("content-type") ?? undefined, bytes];
  } catch {
    return [signal.aborted ? "timeout" : "connect", Date.now() - began];
  } finally {
    // The connection is not kept waiting for what nobody reads.
    response?.body?.cancel().catch(() => {});
  }
}

/** The beginning of a stream. What comes slowly is awaited only until the signal. */
async function beginning(stream, signal) {
  if (!stream) return new Uint8Array();
  const reader = stream.getReader();
  const parts = [];
  let length = 0;
  const aborted = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  try {
    while (length < MOST) {
      const { done, value } = await Promise.race([reader.read(), aborted]);
      if (done) break;
      parts.push(value.subarray(0, MOST - length));
      length += value.byteLength;
    }
  } finally {
    reader.cancel().catch(() => {});
    reader.releaseLock();
  }
  const bytes = new Uint8Array(Math.min(length, MOST));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** The seconds of a `Retry-After`, which may also be a date (RFC 9110, section 10.2.3). */
function secondsOf(header) {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}
