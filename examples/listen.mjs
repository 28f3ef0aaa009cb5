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
const url = new URL("/v1/connect", TAGPOST_URL);
url.protocol = url.protocol.replace("http", "ws");

/** The longest pause between two attempts to connect, in milliseconds. */
const LONGEST_PAUSE = 30_000;
/** Close codes that say: do not come back with this token. */
const FINAL = new Set([4401, 4409]);

const handlers = {
  message: (socket, { id, payload }) => {
    socket.send(JSON.stringify({ type: "ack", id, reply: { got: payload } }));
  },
  receipt: (socket, { seq }) => {
    socket.send(JSON.stringify({ type: "receipts_seen", seq }));
  },
};

/** Listens until the connection ends; answers how it ended and whether it ever worked. */
function listen() {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, "tagpost.v1", { headers: { authorization: `Bearer ${TAGPOST_TOKEN}` } });
    let pings;
    let welcome = false;
    let answered = true;
    const ping = () => {
      // A network can go away without a word; then nothing but silence tells.
      if (!answered) return socket.terminate();
      answered = false;
      socket.send("ping");
    };
    socket.on("message", (data) => {
      const text = data.toString();
      if (text === "pong") return void (answered = true);
      console.log(text);
      const frame = JSON.parse(text);
      if (frame.type === "welcome") {
        welcome = true;
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
