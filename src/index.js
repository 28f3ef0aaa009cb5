// The Rust code as the runtime wants it: the Worker, and the class of the mailboxes.
//
// A panic, or an error thrown through Rust, leaves the wasm instance unfit, and with it every Rust object
// of this isolate. The next call starts a new instance, and each mailbox its successor. What that does
// to the calls that were under way is the entry's concern.

import * as rust from "./bindings.js";

// Rust's panic hook sets `criticalError` too; each new instance counts up `instanceId`.
const state = rust.__worker_init_state();

addEventListener("error", () => {
  state.criticalError = true;
});

/** The microtask that drives Rust's futures next, while it is queued. */
let next;

// Where JavaScript is stopped, because an object ends or the platform's limits are reached, the microtasks
// that are queued are dropped. Rust queues one only after the last has run: a lost one is its last.
const { queueMicrotask } = globalThis;
globalThis.queueMicrotask = drive;

function drive(task) {
  next = task;
  queueMicrotask(() => {
    if (next === task) next = undefined;
    task();
  });
}

/** Waits until no microtask of Rust's is queued, within this turn of the event loop; not forever. */
export async function atRest() {
  for (let turns = 0; next && turns < 1000; turns++) await undefined;
}

/** At the start of an event, when no microtask is queued: an instance that has lost its own is unfit as after a panic. */
export function check() {
  if (next) reportError(new Error("the wasm instance was stopped"));
}

function revive() {
  if (!state.criticalError) return;
  rust.__wbg_reset_state();
  state.criticalError = false;
  next = undefined;
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

export async function fetch(request, env) {
  revive();
  const answer = await rust.fetch(request, env);
  if (!Array.isArray(answer)) return answer;
  if (request.method === "HEAD") answer[2] = null;
  return response(answer);
}

export class Mailbox {
  #arguments;
  #instanceId;
  #rust;

  constructor(...args) {
    this.#arguments = args;
    try {
      this.#current();
    } catch {
      // The next call fails of the same, and is answered. An object that cannot be made loses its alarm.
    }
  }

  ask(...args) {
    return this.#current().ask(...args);
  }

  async fetch({ headers }) {
    const names = ["tagpost-device", "tagpost-caller", "tagpost-window", "tagpost-fault"];
    const [device, caller, window, fault] = names.map((name) => headers.get(name) ?? undefined);
    const answer = await this.#current().connect(device, caller, window && Number(window), fault);
    if (Array.isArray(answer)) return response(answer);
    const subprotocol = { "sec-websocket-protocol": "tagpost.v1" };
    return new Response(null, { status: 101, webSocket: answer, headers: subprotocol });
  }

  alarm(...args) {
    return this.#current().alarm(...args);
  }

  webSocketMessage(...args) {
    return this.#current().webSocketMessage(...args);
  }

  webSocketClose(...args) {
    return this.#current().webSocketClose(...args);
  }

  webSocketError(...args) {
    return this.#current().webSocketError(...args);
  }

  #current() {
    revive();
    if (this.#instanceId !== state.instanceId) {
      this.#rust = new rust.Mailbox(...this.#arguments);
      this.#instanceId = state.instanceId;
    }
    return this.#rust;
  }
}
