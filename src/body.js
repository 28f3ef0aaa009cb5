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

/** The bytes, or null if they are more than `longest`. */
export async function read(request, longest) {
  if (Number(request.headers.get("content-length")) > longest) return null;
  // Less may be announced than comes: where there is a `Transfer-Encoding` too, that decides (RFC 9112, section 6.3).
  if (!request.body) return new Uint8Array();
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body.values({ preventCancel: true })) {
    length += chunk.byteLength;
    if (length > longest) {
      cut.add(request);
      return null;
    }
    chunks.push(chunk);
  }
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
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
