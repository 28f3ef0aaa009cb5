// The body of a request, read in one crossing from JavaScript to wasm.

/** The bytes, or null if they are more than `longest`; then no more than these are read. */
export async function read(request, longest) {
  const announced = request.headers.get("content-length");
  if (announced !== null) return Number(announced) > longest ? null : request.arrayBuffer();
  if (!request.body) return new Uint8Array();
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > longest) return null;
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
