// What the runtime loads: the Worker and the class of the mailboxes, around the Rust code. It decides nothing.
//
// A panic, or a JavaScript error thrown through Rust, leaves its call unanswered forever and the wasm instance
// unfit, with every Rust object and every future of the isolate. So every call of Rust ends at the latest then:
// the Worker's with a 500, a mailbox's by ending its object. What was not committed is gone with it, its sockets
// are closed, and its next event finds a new object over the same rows. The next call starts a new wasm instance,
// and each mailbox a new Rust object in it.
//
// An object is ended here and nowhere else, and only while no wasm is on the stack and no microtask of Rust's is
// queued: `ctx.abort()` stops JavaScript at once. Wasm on the stack never returns then, and a queued microtask is
// dropped; either leaves the instance unfit for everybody else in the isolate. Rust fails by rejecting the promise
// it gave.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

import * as rust from "./bindings.js";

/** How long the runtime lets a handler of a sleeping socket's event run, in milliseconds. */
const SOCKET_EVENT_LIMIT = 30_000;

/** After this many failures an alarm is set anew: the platform deletes one that has failed seven times. */
const ALARM_TRIES = 5;

/** How long after that many failures the new alarm goes off, in milliseconds. */
const ALARM_PAUSE = 120_000;

/** The wasm instance: its number, and whether it is unfit, which Rust's panic hook says, too. */
const instance = rust.__worker_init_state();

/** The calls under way: what rejects each, and whose it is. */
const running = new Map();

/** Objects that are about to end. Until they do, in the same turn, more of their calls may fail. */
const ended = new WeakSet();

addEventListener("error", ({ error }) => {
  instance.criticalError = true;
  // Those that wait for the lost wasm instance never end by themselves.
  for (const end of running.keys()) end(error);
  running.clear();
});

/** The microtask that drives Rust's futures next, while it is queued. */
let queued;

// Where JavaScript is stopped, because an object ends or the platform's limits are reached, the microtasks
// that are queued are dropped. Rust queues one only after the last has run: a lost one is its last.
const { queueMicrotask } = globalThis;
globalThis.queueMicrotask = (task) => {
  queued = task;
  queueMicrotask(() => {
    if (queued === task) queued = undefined;
    task();
  });
};

/** Waits until no microtask of Rust's is queued, within this turn of the event loop; not forever. */
async function atRest() {
  for (let turns = 0; queued && turns < 1000; turns++) await undefined;
}

/** At the start of an event, when no microtask is queued: an instance that has lost its own is unfit as after a panic. */
function check() {
  if (queued) reportError(new Error("the wasm instance was stopped"));
}

/** Rust, in a wasm instance that is fit. */
function fit() {
  if (instance.criticalError) {
    rust.__wbg_reset_state();
    instance.criticalError = false;
    queued = undefined;
  }
  return rust;
}

/** The outcome of `call`, or a rejection as soon as anything in the isolate fails uncaught. */
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

/** The outcome of something that an object does. If it fails the object ends. */
async function guarded(ctx, event, call) {
  try {
    return await contained(ctx, call);
  } catch (error) {
    const cause = String(error);
    if (!ended.has(ctx)) log("mailbox_ended", { device: ctx.id.name, in: event, cause });
    ended.add(ctx);
    // Its other calls never end: what they wait for ends with the object.
    for (const [end, owner] of running) if (owner === ctx) running.delete(end);
    await atRest();
    ctx.abort(cause);
    throw error;
  }
}

function log(event, fields) {
  console.error(JSON.stringify({ level: "error", event, ...fields }));
}

/** Any page may call: a credential travels in a header, never in a cookie that a browser adds by itself. */
const EVERY_ANSWER = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "location, retry-after, www-authenticate, allow",
};

/** The runtime's form of an answer as `respond.rs` describes it; the headers are lines of one text. */
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
  title: "Something failed inside",
  status: 500,
  detail: "the service's log says what",
  code: "internal",
});

export default class extends WorkerEntrypoint {
  async fetch(request) {
    check();
    const answer = contained(this.ctx, () => fit().fetch(request, this.env));
    // An aborted request runs to completion: Rust would wait forever for what the runtime does not finish, and
    // keep it in memory.
    this.ctx.waitUntil(answer.catch(() => {}));
    try {
      const made = await answer;
      if (!Array.isArray(made)) return made;
      if (request.method === "HEAD") made[2] = null;
      return response(made);
    } catch (error) {
      log("worker_failed", { cause: String(error) });
      return response([500, "content-type: application/problem+json", INTERNAL]);
    }
  }
}

export class Mailbox extends DurableObject {
  #rust;
  #instanceId;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.setHibernatableWebSocketEventTimeout(SOCKET_EVENT_LIMIT);
    // What goes on after an event is lost with the wasm instance like a call is. Not by way of `this`, which
    // holds the Rust object: that holds `ctx`, and so would hold itself forever.
    const { waitUntil } = ctx;
    ctx.waitUntil = (promise) => waitUntil.call(ctx, guarded(ctx, "background", () => promise));
    try {
      this.#current();
    } catch {
      // The next call fails of the same, and is answered. An object that cannot be made loses its alarm.
    }
  }

  /** What the service asks a mailbox; see `stub.js`. */
  ask(call, enclosed, fault) {
    return this.#call("ask", call, enclosed, fault);
  }

  /** The handshake of the device's socket; see `stub.js`. */
  async fetch({ headers }) {
    const names = ["device", "caller", "protocol", "window", "fault"];
    const [device, caller, protocol, window, fault] = names.map((name) => headers.get(`tagpost-${name}`) ?? undefined);
    const answer = await this.#call("connect", device, caller, protocol, window && Number(window), fault);
    if (Array.isArray(answer)) return response(answer);
    const subprotocol = { "sec-websocket-protocol": protocol };
    return new Response(null, { status: 101, webSocket: answer, headers: subprotocol });
  }

  /** Before the platform gives up an alarm that fails, whatever it is that fails, the next one is set. */
  async alarm(info) {
    if (info?.retryCount >= ALARM_TRIES) {
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

  /** The Rust object, in a wasm instance that is fit. */
  #current() {
    const { Mailbox } = fit();
    if (this.#instanceId !== instance.instanceId) {
      this.#rust = new Mailbox(this.ctx, this.env);
      this.#instanceId = instance.instanceId;
    }
    return this.#rust;
  }
}
