// The floor of Web Push: the least that a Worker can do for a push that is acknowledged, written by hand in JavaScript.
//
// The same way as tagpost's, on the same runtime: the sender's token is verified with WebCrypto, the sealed URL is
// opened, the device's object sends the message over its hibernating WebSocket and waits for the acknowledgement, and
// the push is answered with the sealed URL of the message. Nothing is stored.
//
// Left out is all that makes a service of it: whether the channel was revoked, who may connect, limits, the checks of
// headers, TTL, Topic and Urgency, redelivery, receipts. It is a yardstick, not an alternative.

import { DurableObject } from "cloudflare:workers";

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };
const IV = 12;

const write = (bytes) => bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const read = (text) => Uint8Array.fromBase64(text, { alphabet: "base64url" });

let sealing;

/** The key that seals URLs, imported once. */
const sealingKey = (env) =>
  (sealing ??= crypto.subtle
    .digest("SHA-256", new TextEncoder().encode(env.PUSH_KEY))
    .then((digest) => crypto.subtle.importKey("raw", digest, "AES-GCM", false, ["encrypt", "decrypt"])));

async function seal(env, value) {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const text = new TextEncoder().encode(JSON.stringify(value));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await sealingKey(env), text));
  const bytes = new Uint8Array(IV + sealed.length);
  bytes.set(iv);
  bytes.set(sealed, IV);
  return write(bytes);
}

async function open(env, text) {
  const bytes = read(text);
  const iv = bytes.subarray(0, IV);
  const opened = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, await sealingKey(env), bytes.subarray(IV));
  return JSON.parse(new TextDecoder().decode(opened));
}

/** Whether this token is signed with the key that the channel is bound to, for this origin, and still valid. */
async function isFrom(authorization, bound, origin) {
  const [, token, key] = /^vapid t=([^,]+),\s*k=(.+)$/.exec(authorization);
  if (key !== bound) return false;
  const signed = token.slice(0, token.lastIndexOf("."));
  const { aud, exp } = JSON.parse(new TextDecoder().decode(read(signed.split(".")[1])));
  if (aud !== origin || exp < Date.now() / 1000) return false;
  const imported = await crypto.subtle.importKey("raw", read(key), P256, false, ["verify"]);
  const signature = read(token.slice(signed.length + 1));
  return crypto.subtle.verify(ES256, imported, signature, new TextEncoder().encode(signed));
}

export default {
  async fetch(request, env) {
    const { origin, pathname } = new URL(request.url);
    const [, route, name] = pathname.split("/");
    if (route === "push") return env.MAILBOX.getByName(name).fetch(request);
    const { device, channel, key } = await open(env, name);
    if (!(await isFrom(request.headers.get("authorization"), key, origin))) return new Response(null, { status: 401 });
    const data = write(new Uint8Array(await request.arrayBuffer()));
    const id = await env.MAILBOX.getByName(device).deliver(channel, data, request.headers.get("content-encoding"));
    const location = `${origin}/m/${await seal(env, { device, id })}`;
    return new Response(null, { status: 201, headers: { location, ttl: request.headers.get("ttl") } });
  },
};

export class Mailbox extends DurableObject {
  /** What waits for an acknowledgement, by the message's id. */
  #waiting = new Map();

  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("{}", "{}"));
    this.ctx.acceptWebSocket(server);
    const { origin, pathname } = new URL(request.url);
    server.serializeAttachment({ origin, device: pathname.split("/")[2] });
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "push-notification" } });
  }

  deliver(channel, data, encoding) {
    const [socket] = this.ctx.getWebSockets();
    const version = crypto.randomUUID();
    socket.send(`{"messageType":"notification","channelID":"${channel}","version":"${version}","data":"${data}","headers":{"encoding":"${encoding}"}}`);
    return new Promise((resolve) => this.#waiting.set(version, resolve));
  }

  async webSocketMessage(socket, text) {
    const { messageType, channelID, key, updates } = JSON.parse(text);
    if (messageType === "hello") {
      socket.send('{"messageType":"hello","uaid":"0","status":200,"use_webpush":true,"broadcasts":{}}');
      return;
    }
    if (messageType === "register") {
      const { origin, device } = socket.deserializeAttachment();
      const pushEndpoint = `${origin}/wpush/${await seal(this.env, { device, channel: channelID, key })}`;
      socket.send(JSON.stringify({ messageType, channelID, status: 200, pushEndpoint }));
      return;
    }
    for (const { version } of updates) {
      this.#waiting.get(version)?.(version);
      this.#waiting.delete(version);
    }
  }

  webSocketClose(socket, code) {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }
}
