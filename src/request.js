// What wasm reads of a request: its headers, and its body, which is passed at once or discarded.
//
// A connection can carry the next request only after the whole body of the last one was read. If the answer comes
// before that, the runtime closes the connection without notice, even if the answer has `Connection: close`: the
// client's next request gets a reset instead of an answer.

/** How much is discarded at most, in bytes: eight times the largest payload that can be configured. */
const MAX_DISCARDED = 8 << 20;

/** How long discarding may take, in milliseconds. */
const DISCARD_TIMEOUT = 5_000;

/** Requests whose bodies were read in part. */
const cut = new WeakSet();

/** The room for a body whose length is not announced, in bytes. */
const USUAL_LENGTH = 16 << 10;

/** The bytes, or null if there are more than `longest`. */
export async function read(request, longest) {
  const { headers } = request;
  const announced = Number(headers.get("content-length"));
  if (announced > longest) return null;
  // The runtime's quickest way, and it ends after as many bytes as are announced.
  if (announced && !headers.has("transfer-encoding")) return request.arrayBuffer();
  if (!request.body) return new Uint8Array();
  // With room for a byte more than there is, one read ends at the end of the body. Where there is a `Content-Length`,
  // too, it does not count (RFC 9112, section 6.3).
  const reader = request.body.getReader({ mode: "byob" });
  const parts = [];
  let length = 0;
  for (let room = Math.min(USUAL_LENGTH, longest) + 1; ; room = longest - length + 1) {
    const { value } = await reader.readAtLeast(room, new Uint8Array(room));
    length += value?.byteLength ?? 0;
    if (value) parts.push(value);
    if (!value || value.byteLength < room) break;
    if (length > longest) {
      reader.releaseLock();
      cut.add(request);
      return null;
    }
  }
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** Whether a part of the body was not read. */
export function isLeft(request) {
  return cut.has(request) || (!request.bodyUsed && request.body !== null);
}

/** Discards the rest of the body, within bounds. Beyond them the runtime closes the connection. Never rejects. */
export async function discard(request) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, DISCARD_TIMEOUT, { done: true })));
  try {
    const reader = request.body.getReader();
    for (let left = MAX_DISCARDED; left > 0; ) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return;
      left -= value.byteLength;
    }
  } catch {
    // The body is incomplete, or someone else is reading it: no request can follow it.
  } finally {
    clearTimeout(timer);
  }
}

/** The headers of a request, each as two lines: its name in lower case, and its value. Neither can contain a line's end. */
export function lines(headers) {
  let lines = "";
  for (const [name, value] of headers) lines += `${name}\n${value}\n`;
  return lines;
}
