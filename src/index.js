// The Rust code as the runtime wants it: the Worker, and the class of the mailboxes.
//
// A panic, or an error thrown through Rust, leaves the wasm instance unfit, and with it every Rust object
// of this isolate. The next call starts a new instance, and each mailbox its successor. What that does
// to the calls that were under way is the entry's concern.

import { WorkerEntrypoint } from "cloudflare:workers";

import * as rust from "./bindings.js";

// Rust's panic hook sets `criticalError` too; each new instance counts up `instanceId`.
const state = rust.__worker_init_state();

addEventListener("error", () => {
  state.criticalError = true;
});

function revive() {
  if (!state.criticalError) return;
  rust.__wbg_reset_state();
  state.criticalError = false;
}

export default class extends WorkerEntrypoint {
  fetch(request) {
    revive();
    return rust.fetch(request, this.env, this.ctx);
  }
}

export class Mailbox {
  #arguments;
  #instanceId;
  #rust;

  constructor(...args) {
    this.#arguments = args;
    this.#current();
  }

  fetch(...args) {
    return this.#current().fetch(...args);
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
