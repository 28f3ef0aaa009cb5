// The body of a request: read in one crossing from JavaScript to wasm, or thrown away.
//
// A connection can carry the next request only once the body of the last one is read. Where it is answered before,
// the runtime closes the connection without saying so, even if the answer has `Connection: close`: the client's
// next request gets a reset in place of an answer.

/** The most that is thrown away, in bytes: eight times what a payload may have at most. */
const MOST_LEFT = 8 << 20;

/** How long that may take, in milliseconds. */
const PATIENCE = 5_000;

/** Requests whose bodies were read to some point, and not to their end. */
const cut = new WeakSet();

/** The room for a body whose length is not announced, in bytes. */
const USUAL_LENGTH = 16 << 10;

/** The bytes, or null if they are more than `longest`. */
export async function read(request, longest) {
  const announced = Number(request.headers.get("content-length"));
  if (announced > longest) return null;
  if (!request.body) return new Uint8Array();
  // One read does for most: into room for a byte more than is announced, it waits for the end. More may come all the
  // same: where there is a `Transfer-Encoding` too, that decides (RFC 9112, section 6.3).
  const reader = request.body.getReader({ mode: "byob" });
  const parts = [];
  let length = 0;
  for (let room = Math.min(announced || USUAL_LENGTH, longest) + 1; ; room = longest - length + 1) {
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

/** Whether there is something of the body that was not read. */
export function isLeft(request) {
  return request.body !== null && (!request.bodyUsed || cut.has(request));
}

/** Throws away what is left of the body, within bounds. Beyond them the runtime closes the connection. Never rejects. */
export async function discard(request) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE, { done: true })));
  try {
    const reader = request.body.getReader();
    for (let left = MOST_LEFT; left > 0; ) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return;
      left -= value.byteLength;
    }
  } catch {
    // It breaks off, or somebody else reads it: no request can follow it.
  } finally {
    clearTimeout(timer);
  }
}
