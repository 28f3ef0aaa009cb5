// What the runtime loads: the Worker and the mailboxes, each call kept from hanging.
//
// A panic, or a JavaScript error thrown through Rust, leaves its call unanswered forever and the wasm
// instance unfit, with every future of the isolate. So every call here ends at the latest then: the
// Worker's with a 500, a mailbox's by ending the object. What was not committed is gone with it, its
// sockets are closed, and its next event finds a new object over the same rows. Nothing is decided here.
//
// An object is ended here and nowhere else: it stops JavaScript at once, and wasm that is on the stack then
// is left unfit, and with it everybody else in the isolate. Rust fails by rejecting the promise it gave.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

import * as rust from "./index.js";

/** How long the runtime lets a handler of a sleeping socket's event run, in milliseconds. */
const SOCKET_EVENT_LIMIT = 30_000;

/** The platform deletes an alarm that has failed seven times. After so many failures it is set anew instead. */
const ALARM_TRIES = 5;

/** After how many milliseconds, again and again, as long as the mailbox fails. */
const ALARM_PAUSE = 120_000;

/** For each call under way what ends it, and whose it is. */
const running = new Map();

/** Objects that are as good as ended. Until they are, in the same turn, more of their calls may fail. */
const ended = new WeakSet();

addEventListener("error", ({ error }) => {
  for (const end of running.keys()) end(error);
  // Those that wait for the lost wasm instance never end by themselves.
  running.clear();
});

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

const INTERNAL = JSON.stringify({
  type: "urn:tagpost:problem:internal",
  title: "Something failed inside",
  status: 500,
  detail: "the service's log says what",
  code: "internal",
});

export default class extends WorkerEntrypoint {
  async fetch(request) {
    rust.check();
    const answer = contained(this.ctx, () => rust.fetch(request, this.env));
    // A request that its client breaks off comes to its end, too: Rust would wait forever for what the
    // runtime does not finish, and keep it in memory.
    this.ctx.waitUntil(answer.catch(() => {}));
    try {
      return await answer;
    } catch (error) {
      log("worker_failed", { cause: String(error) });
      return new Response(INTERNAL, {
        status: 500,
        headers: { "content-type": "application/problem+json", "access-control-allow-origin": "*" },
      });
    }
  }
}

export class Mailbox extends DurableObject {
  #rust;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.setHibernatableWebSocketEventTimeout(SOCKET_EVENT_LIMIT);
    // What goes on after an event is lost with the wasm instance like a call is. Not by way of `this`, which
    // holds the Rust object: that holds `ctx`, and so would hold itself forever.
    const { waitUntil } = ctx;
    ctx.waitUntil = (promise) => waitUntil.call(ctx, guard(ctx, "background", () => promise));
    this.#rust = new rust.Mailbox(ctx, env);
  }

  /** What the service asks a mailbox; see `stub.js`. */
  ask(call, enclosed, fault) {
    return this.#call("ask", call, enclosed, fault);
  }

  fetch(request) {
    return this.#call("fetch", request);
  }

  /** Before the platform gives up an alarm that fails, whatever it is that fails, the next one is set. */
  async alarm(info) {
    if (info?.retryCount >= ALARM_TRIES) {
      await guard(this.ctx, "alarm", () => this.ctx.storage.setAlarm(Date.now() + ALARM_PAUSE));
      const cause = `the alarm has failed ${info.retryCount} times`;
      log("alarm_postponed", { device: this.ctx.id.name, cause, seconds: ALARM_PAUSE / 1000 });
      return;
    }
    await this.#call("alarm");
  }

  webSocketMessage(ws, message) {
    return this.#call("webSocketMessage", ws, message);
  }

  webSocketClose(ws, code, reason, wasClean) {
    return this.#call("webSocketClose", ws, code, reason, wasClean);
  }

  webSocketError(ws, error) {
    return this.#call("webSocketError", ws, error);
  }

  #call(event, ...args) {
    rust.check();
    return guard(this.ctx, event, () => this.#rust[event](...args));
  }
}

async function guard(ctx, event, call) {
  try {
    return await contained(ctx, call);
  } catch (error) {
    const cause = String(error);
    if (!ended.has(ctx)) log("mailbox_ended", { device: ctx.id.name, in: event, cause });
    ended.add(ctx);
    // Its other calls never end: what they wait for ends with the object.
    for (const [end, owner] of running) if (owner === ctx) running.delete(end);
    await rust.atRest();
    ctx.abort(cause);
    throw error;
  }
}

function log(event, fields) {
  console.error(JSON.stringify({ level: "error", event, ...fields }));
}
