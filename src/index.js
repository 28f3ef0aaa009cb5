// The Rust code as the runtime wants it: the Worker, and the class of the mailboxes.
//
// A panic ends the wasm instance, and with it every Rust object of this isolate. The next call starts a
// new instance, and each mailbox its successor. What a panic does to the call it happened in is the
// entry's concern.

import { WorkerEntrypoint } from "cloudflare:workers";

import * as rust from "./bindings.js";

// Rust's panic hook sets `criticalError`; each new instance counts up `instanceId`.
const state = rust.__worker_init_state();

addEventListener("error", ({ error }) => {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
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
