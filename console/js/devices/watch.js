// Watching a device: the service says what happens in its mailbox, as it happens, and nothing is asked meanwhile. It
// does not make the device online, and disturbs nothing.
//
// The connection ends when nobody can see the page for a minute, and when the page is left.

import { Ended, Problem, devicePath } from "../api.js";

const PROTOCOL = "tagpost.watch.v1";
/** The credential is no longer valid. */
const REFUSED = 4401;
/** The service has told much over this connection: the next one starts afresh. */
const TOLD_MUCH = 4408;
/** After these, only somebody who looks at the page connects again; otherwise six pages would push each other out. */
const STOPPED = {
  4400: "The service has closed the connection.",
  4409: "Five others are watching this device.",
};

/** The first pause before another attempt to connect, and the longest, in milliseconds. */
const FIRST = 1000;
const LONGEST = 60_000;
/** How long a connection lasts after which the next pause is a first one, in milliseconds. */
const STEADY = 60_000;
/** How long the tab is hidden before the connection ends, in milliseconds. */
const HIDDEN = 60_000;
/** How long the page waits for the first frame before it asks for what it shows, in milliseconds. */
const READY = 2000;

/**
 * `paused`: until the tab is visible again, or somebody asks for it; `none`: it cannot be watched
 *
 * @typedef {"connecting" | "live" | "paused" | "none"} State
 */

export class Watch {
  /** Settled once it is known whether the device is watched; it does not wait for long. */
  ready;
  #api;
  #path;
  #onframe;
  #onstate;
  #settle;
  #socket;
  #pause = FIRST;
  #again;
  #hide;
  #isEnded = true;
  #wasLive = false;

  /**
   * `onframe(frame)` gets each frame of the service: first `watching`, again after each reconnect, since what happened
   * in between is not told. `onstate(state, why)`: `why` is given when it is not only for the moment.
   */
  constructor(api, device, { onframe, onstate }) {
    this.#api = api;
    this.#path = `${devicePath(device)}/watch`;
    this.#onframe = onframe;
    this.#onstate = onstate;
    this.ready = new Promise((resolve) => (this.#settle = resolve));
  }

  start() {
    this.#isEnded = false;
    setTimeout(this.#settle, READY);
    document.addEventListener("visibilitychange", this.#seen);
    if (!document.hidden) return this.#connect();
    this.#settle();
    this.#onstate("paused");
  }

  /** Connects if it is not connected, and was not ended. */
  again() {
    if (!this.#isEnded && !this.#socket) this.#connect();
  }

  stop() {
    this.#isEnded = true;
    clearTimeout(this.#again);
    clearTimeout(this.#hide);
    document.removeEventListener("visibilitychange", this.#seen);
    this.#close();
  }

  #connect() {
    clearTimeout(this.#again);
    this.#onstate("connecting");
    const socket = this.#api.socket(this.#path, PROTOCOL);
    let since;
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      const frame = JSON.parse(data);
      if (frame.type === "watching") {
        since = Date.now();
        this.#wasLive = true;
        this.#onstate("live");
      }
      this.#onframe(frame);
      this.#settle();
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      if (since !== undefined && Date.now() - since >= STEADY) this.#pause = FIRST;
      if (code === TOLD_MUCH) this.#pause = FIRST;
      if (code === REFUSED) this.#end("The service no longer accepts the key, or the device was deleted.");
      else if (STOPPED[code]) this.#onstate("paused", STOPPED[code]);
      else this.#retry();
    };
  }

  async #retry() {
    this.#onstate("connecting");
    if (!this.#wasLive && !(await this.#mayExist())) return this.#end();
    if (this.#isEnded || this.#socket) return;
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(LONGEST, 2 * this.#pause);
    if (!document.hidden) this.#again = setTimeout(() => this.#connect(), pause);
  }

  /** Whether the service has this at all: the browser does not tell why a handshake failed. */
  async #mayExist() {
    const error = await this.#api.get(this.#path).catch((error) => error);
    return !(error instanceof Ended) && !(error instanceof Problem && [401, 403, 404].includes(error.status));
  }

  #seen = () => {
    clearTimeout(this.#hide);
    if (document.hidden) {
      this.#hide = setTimeout(() => {
        this.#close();
        this.#onstate("paused");
      }, HIDDEN);
    } else {
      this.again();
    }
  };

  #close() {
    clearTimeout(this.#again);
    const socket = this.#socket;
    this.#socket = undefined;
    // A handshake that is broken off is an error in the browser's log.
    if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }

  #end(why) {
    if (this.#isEnded) return;
    this.stop();
    this.#settle();
    this.#onstate("none", why);
  }
}
