// The floor: the least that a Worker can do for a confirmed publish, written by hand in JavaScript.
//
// The same way as tagpost's, on the same runtime with the same bindings: tag -> device in D1, the sender's
// object, the receiver's object, its hibernating WebSocket, its acknowledgement, one row at the sender,
// then the answer. A message for a device that is not connected is a row at the receiver too.
//
// Left out is all that makes a service of it: tokens (a bearer is believed to be whom it names), limits,
// redelivery, order, expiry, receipts, idempotency, traces. It is a yardstick, not an alternative.

import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const caller = request.headers.get("authorization").slice("Bearer ".length);
    const [, , route, tag, , device] = new URL(request.url).pathname.split("/");
    if (route === "connect") return env.MAILBOX.getByName(caller).fetch(request);
    if (request.method === "PUT") {
      await env.DB.prepare("INSERT INTO tags (tag, device) VALUES (?1, ?2)").bind(tag, device).run();
      return new Response(null, { status: 204 });
    }
    const found = await env.DB.prepare("SELECT device FROM tags WHERE tag = ?1").bind(tag).first();
    return Response.json(await env.MAILBOX.getByName(caller).publish(caller, found.device, await request.text()));
  },
};

const TABLES = `
  CREATE TABLE IF NOT EXISTS outbox (n INTEGER PRIMARY KEY, id TEXT, device TEXT, state TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS inbox (n INTEGER PRIMARY KEY, message TEXT) STRICT;
`;

export class Mailbox extends DurableObject {
  /** What waits for an acknowledgement, by the message's id. */
  #waiting = new Map();

  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(TABLES);
  }

  async publish(from, device, payload) {
    const id = crypto.randomUUID();
    const message = `{"type":"message","id":"${id}","from":"${from}","payload":${payload}}`;
    const state = await this.env.MAILBOX.getByName(device).deliver(id, message);
    this.sql.exec("INSERT INTO outbox (id, device, state) VALUES (?, ?, ?)", id, device, state);
    return { id, deliveries: [{ device, state }] };
  }

  deliver(id, message) {
    const [socket] = this.ctx.getWebSockets();
    if (!socket) {
      this.sql.exec("INSERT INTO inbox (message) VALUES (?)", message);
      return "held";
    }
    socket.send(message);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.ctx.acceptWebSocket(server);
    server.send('{"type":"welcome"}');
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "sec-websocket-protocol": "tagpost.v1" },
    });
  }

  webSocketMessage(_socket, text) {
    const { id } = JSON.parse(text);
    this.#waiting.get(id)?.("delivered");
    this.#waiting.delete(id);
  }

  webSocketClose(socket, code) {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }
}
