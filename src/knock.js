// A push without a body to another push service.

/** The request. All knocks of this service have one topic: of those that a device has not got, the last one is kept. A
 * redirect is not followed, because it may lead anywhere. */
export function request(url, ttl, urgency, authorization) {
  const headers = { authorization, ttl: `${ttl}`, urgency, topic: "tagpost" };
  return new Request(url, { method: "POST", headers, redirect: "manual" });
}

/** The status of the answer and, if it has a `Retry-After`, its seconds. Rejects if none comes within `limit`
 * milliseconds. */
export async function send(request, limit) {
  const response = await fetch(request, { signal: AbortSignal.timeout(limit) });
  // The connection is not kept waiting for a body that nobody reads. If that fails, the status counts all the same.
  response.body?.cancel().catch(() => {});
  return [response.status, secondsOf(response.headers.get("retry-after"))];
}

/** The seconds of a `Retry-After`, which may also be a date (RFC 9110, section 10.2.3). */
function secondsOf(header) {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}
