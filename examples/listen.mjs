// A device that listens: prints every frame, and acknowledges every message with a reply.
//
//   TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... node examples/listen.mjs

import { setTimeout as sleep } from "node:timers/promises";

import WebSocket from "ws";

const { TAGPOST_URL, TAGPOST_TOKEN } = process.env;
if (!TAGPOST_URL || !TAGPOST_TOKEN) {
  console.error("TAGPOST_URL and TAGPOST_TOKEN have to be set");
  process.exit(2);
}
// The service may lie below a path: what follows is added to it.
const url = new URL(`${TAGPOST_URL.replace(/\/+$/, "")}/v1/connect`);
url.protocol = url.protocol.replace("http", "ws");

/** The longest pause between two attempts to connect, in milliseconds. */
const LONGEST_PAUSE = 30_000;
/** Milliseconds for the handshake and the first frame, each. */
const HANDSHAKE_TIMEOUT = 15_000;
/** Close codes that say: do not come back like this. 4400 is for a client that sends what nobody understands. */
const FINAL = new Set([4400, 4401, 4409]);
/** The longest reply, in bytes of JSON. */
const MAX_REPLY = 4096;
/** How many levels of arrays and objects a reply may have. */
const MAX_DEPTH = 100;

const handlers = {
  message: (socket, { id, payload }) => socket.send(JSON.stringify({ ...answer(payload), id })),
  receipt: (socket, { seq }) => socket.send(JSON.stringify({ type: "receipts_seen", seq })),
};

/** What a message is answered with. Whatever was sent, it is an answer: without one it comes again and again. */
function answer(payload) {
  try {
    const bytes = Buffer.byteLength(JSON.stringify(payload));
    const fits = bytes + '{"got":}'.length <= MAX_REPLY && depth(payload) < MAX_DEPTH;
    return { type: "ack", reply: fits ? { got: payload } : { got_bytes: bytes } };
  } catch {
    // JSON may be nested without end, and the stack has one.
    return { type: "nack", reason: "the payload is nested too deeply for this device" };
  }
}

/** How deep arrays and objects are nested. */
function depth(value) {
  return value instanceof Object ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
}

/** Listens until the connection ends; answers how it ended and whether it ever worked. */
function listen() {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${TAGPOST_TOKEN}` };
    const socket = new WebSocket(url, "tagpost.v1", { headers, handshakeTimeout: HANDSHAKE_TIMEOUT });
    let pings;
    let silence;
    let welcome = false;
    let answered = true;
    const ping = () => {
      // A network can go away without a word; then nothing but silence tells.
      if (!answered) return socket.terminate();
      answered = false;
      socket.send("ping");
    };
    socket.on("open", () => (silence = setTimeout(() => socket.terminate(), HANDSHAKE_TIMEOUT)));
    socket.on("message", (data) => {
      const text = data.toString();
      if (text === "pong") return void (answered = true);
      console.log(text);
      const frame = JSON.parse(text);
      if (frame.type === "welcome") {
        welcome = true;
        clearTimeout(silence);
        ping();
        pings = setInterval(ping, frame.keepalive * 1000);
      }
      handlers[frame.type]?.(socket, frame);
    });
    socket.on("unexpected-response", (request, { statusCode }) => {
      console.error(`the service answered ${statusCode}`);
      // A token that is not accepted now will not be accepted later.
      if (statusCode === 401 || statusCode === 403) process.exit(1);
      request.destroy();
    });
    socket.on("error", (error) => console.error(error.message || error.code));
    socket.on("close", (code, reason) => {
      clearInterval(pings);
      clearTimeout(silence);
      resolve({ code, reason: reason.toString(), welcome });
    });
  });
}

for (let failures = 0; ; failures += 1) {
  const { code, reason, welcome } = await listen();
  console.error(`closed: ${code} ${reason}`);
  if (FINAL.has(code)) process.exit(1);
  if (welcome) failures = 0;
  // Full jitter: after a deployment all devices come back, but not at once.
  await sleep(Math.random() * Math.min(LONGEST_PAUSE, 500 * 2 ** failures));
}
