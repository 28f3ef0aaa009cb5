// The module that the runtime loads: the Worker and the mailbox class, around the Rust code. It decides nothing.
//
// A panic, or a JavaScript error thrown through Rust, leaves its call unanswered forever, and the wasm instance
// unusable, with every Rust object and every future of the isolate. So every running call is ended then: a Worker's
// with a 500, a mailbox's by ending its object. The object's uncommitted writes are lost, its sockets close, and its
// next event starts a new object over the same rows. The next call starts a new wasm instance, in which each mailbox
// gets a new Rust object.
//
// An object is ended only here, and only while no wasm is on the stack and none of Rust's microtasks is queued.
// `ctx.abort()` stops JavaScript immediately: wasm on the stack would never return, and a queued microtask would be
// dropped. Either would leave the instance unusable for every other object of the isolate. Rust reports a failure
// by rejecting the promise that it returned.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

import * as rust from "./bindings.js";

/** How long the handler of a hibernating socket's event may run, in milliseconds. */
const SOCKET_EVENT_LIMIT = 30_000;

/** After this many failures an alarm is postponed: the platform deletes one that has failed seven times. */
const MAX_ALARM_RETRIES = 5;

/** How long it is postponed, in milliseconds. */
const ALARM_PAUSE = 120_000;

/** The wasm instance: its number, and whether it is unusable, which Rust's panic hook sets, too. */
const instance = rust.__worker_init_state();

/** The running calls: the function that rejects each, and its owner. */
const running = new Map();

/** Objects that are being ended. Until they end, in the same turn, more of their calls may fail. */
const ended = new WeakSet();

addEventListener("error", ({ error }) => {
  instance.criticalError = true;
  // Calls that wait for the lost wasm instance would never end by themselves.
  for (const end of running.keys()) end(error);
  running.clear();
});

/** The microtask that will drive Rust's futures, while it is queued. */
let queued;

// When JavaScript is stopped, because an object ends or reaches a limit of the platform, queued microtasks are
// dropped. Rust queues one only after the previous one has run: if one is lost, no other follows.
const { queueMicrotask } = globalThis;
globalThis.queueMicrotask = (task) => {
  queued = task;
  queueMicrotask(() => {
    if (queued === task) queued = undefined;
    task();
  });
};

/** Waits until none of Rust's microtasks is queued, within this turn of the event loop, and within bounds. */
async function microtasksDone() {
  for (let turns = 0; queued && turns < 1000; turns++) await undefined;
}

/** At the start of an event no microtask is queued, unless it was lost: then the instance is as unusable as after a panic. */
function check() {
  if (queued) reportError(new Error("the wasm instance was stopped"));
}

/** Rust, in a usable wasm instance. */
function usable() {
  if (instance.criticalError) {
    rust.__wbg_reset_state();
    instance.criticalError = false;
    queued = undefined;
  }
  return rust;
}

/** The result of `call`, or a rejection as soon as there is any uncaught error in the isolate. */
function contained(owner, call) {
  return new Promise((resolve, reject) => {
    const end = (settle) => (value) => {
      running.delete(reject);
      settle(value);
    };
    running.set(reject, owner);
    try {
      call().then(end(resolve), end(reject));
    } catch (error) {
      end(reject)(error);
    }
  });
}

/** The result of a call to an object. If the call fails, the object is ended. */
async function guarded(ctx, event, call) {
  try {
    return await contained(ctx, call);
  } catch (error) {
    const cause = String(error);
    if (!ended.has(ctx)) log("mailbox_ended", { device: ctx.id.name, in: event, cause });
    ended.add(ctx);
    // The object's other calls need no rejection: they end with it.
    for (const [end, owner] of running) if (owner === ctx) running.delete(end);
    await microtasksDone();
    ctx.abort(cause);
    throw error;
  }
}

function log(event, fields) {
  console.error(JSON.stringify({ level: "error", event, ...fields }));
}

/** Any page may call: credentials are in a header, never in a cookie that a browser would add by itself. */
const EVERY_ANSWER = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "location, retry-after, www-authenticate, allow, ttl, link",
};

/** A body that goes on after its first part: `next` resolves to the next part and the state for the one after it. */
function stream(first, state, next) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode(first)),
    async pull(controller) {
      const more = await next(state);
      if (!more) return controller.close();
      state = more[1];
      controller.enqueue(encoder.encode(more[0]));
    },
  });
}

/** The runtime's `Response` for an answer of `respond.rs`; the headers are lines of one text. */
function response([status, lines, body]) {
  const headers = { ...EVERY_ANSWER };
  for (const line of lines ? lines.split("\n") : []) {
    const colon = line.indexOf(": ");
    headers[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return new Response(body, { status, headers });
}

const INTERNAL = JSON.stringify({
  type: "urn:tagpost:problem:internal",
  title: "The service failed",
  status: 500,
  detail: "the cause is in the service's log",
  code: "internal",
});

export default class extends WorkerEntrypoint {
  async fetch(request) {
    check();
    const answer = contained(this.ctx, () => usable().fetch(request, this.env));
    // An aborted request runs to completion: otherwise Rust would wait forever, and leak the pending future.
    this.ctx.waitUntil(answer.catch(() => {}));
    try {
      const made = await answer;
      if (!Array.isArray(made)) return made;
      if (made[3]) made[2] = stream(made[2], made[3], (state) => this.#nextPart(state));
      if (request.method === "HEAD") made[2] = null;
      return response(made);
    } catch (error) {
      log("worker_failed", { cause: String(error) });
      return response([500, "content-type: application/problem+json", INTERNAL]);
    }
  }

  /** The next part of a body that goes on. If that fails, the body breaks off, as if the connection were lost. */
  async #nextPart(state) {
    // The runtime asks for it in a turn of its own choice, in which Rust may have something queued.
    await microtasksDone();
    check();
    const part = contained(this.ctx, () => usable().nextPart(state, this.env));
    this.ctx.waitUntil(part.catch((error) => log("worker_failed", { cause: String(error) })));
    return part;
  }
}

export class Mailbox extends DurableObject {
  #rust;
  #instanceId;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.setHibernatableWebSocketEventTimeout(SOCKET_EVENT_LIMIT);
    // Work that continues after an event is lost with the wasm instance, as a call is. This must not capture `this`:
    // it holds the Rust object, which holds `ctx`, and would never be released.
    const { waitUntil } = ctx;
    ctx.waitUntil = (promise) => waitUntil.call(ctx, guarded(ctx, "background", () => promise));
    try {
      this.#current();
    } catch {
      // The next call fails for the same reason, and is answered. An object that cannot be constructed loses its alarm.
    }
  }

  /** A call of the service; see `stub.js`. */
  ask(call, enclosed, fault) {
    return this.#call("ask", call, enclosed, fault);
  }

  /** The handshake of the device's socket, or of one that watches; see `stub.js`. */
  async fetch({ headers }) {
    const names = ["caller", "protocol", "window", "origin", "fault", "watch"];
    const given = names.map((name) => headers.get(`tagpost-${name}`) ?? undefined);
    const [caller, protocol, window, origin, fault, watch] = given;
    const answer = await (watch
      ? this.#call("watch", caller, watch === "payloads", fault)
      : this.#call("connect", caller, protocol, window && Number(window), origin, fault));
    if (Array.isArray(answer)) return response(answer);
    // A client that did not offer a protocol by name would fail if it were answered with one.
    const subprotocol = headers.has("tagpost-unnamed") ? {} : { "sec-websocket-protocol": protocol };
    return new Response(null, { status: 101, webSocket: answer, headers: subprotocol });
  }

  /** An alarm that fails again and again, for whatever reason, is postponed before the platform deletes it. */
  async alarm(info) {
    if (info?.retryCount >= MAX_ALARM_RETRIES) {
      await guarded(this.ctx, "alarm", () => this.ctx.storage.setAlarm(Date.now() + ALARM_PAUSE));
      const cause = `the alarm has failed ${info.retryCount} times`;
      log("alarm_postponed", { device: this.ctx.id.name, cause, seconds: ALARM_PAUSE / 1000 });
      return;
    }
    await this.#call("alarm");
  }

  webSocketMessage(socket, message) {
    return this.#call("message", socket, message);
  }

  webSocketClose(socket, code) {
    return this.#call("closed", socket, code);
  }

  webSocketError(socket) {
    return this.#call("closed", socket);
  }

  /** Lets Rust handle an event. */
  #call(event, ...args) {
    check();
    return guarded(this.ctx, event, () => this.#current()[event](...args));
  }

  /** The Rust object, in a usable wasm instance. */
  #current() {
    const { Mailbox } = usable();
    if (this.#instanceId !== instance.instanceId) {
      this.#rust = new Mailbox(this.ctx, this.env);
      this.#instanceId = instance.instanceId;
    }
    return this.#rust;
  }
}
