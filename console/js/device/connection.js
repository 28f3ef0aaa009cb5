// A device's connection to the relay: one WebSocket after the other, for as long as it is wanted.
//
// It comes back by itself, except where that would change nothing (the token no longer holds) or start a
// quarrel (a newer connection of the device took over). What frames mean is not its concern.

import { Api, Problem, devicePath } from "../api.js";

/** Milliseconds for the handshake and the `welcome` together. */
const HANDSHAKE = 15_000;
/** Milliseconds within which something has to be heard after a `ping`. */
const PONG = 10_000;
/** The longest first pause before another attempt, and the longest of all, in milliseconds. */
const PAUSES = [1000, 15_000];

const FINAL = new Map([
  [4401, "Its token is no longer valid"],
  [4409, "Another connection of this device took over"],
]);

export class Connection {
  #device;
  #token;
  #onstatus;
  #onframe;
  #socket;
  #failures = 0;
  #retry;
  #deadline;
  #keepalive;
  #wanted = false;

  /**
   * `onstatus(status, why)` is called with `online`, `connecting`, `offline` (as asked for) or `ended`
   * (nothing more will be tried); `onframe(frame)` with each frame of the relay.
   */
  constructor({ device, token, onstatus, onframe }) {
    this.#device = device;
    this.#token = token;
    this.#onstatus = onstatus;
    this.#onframe = onframe;
    addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    this.#connect();
  }

  close() {
    this.#stop("offline");
  }

  /** Closes it and lets go of the page. */
  dispose() {
    removeEventListener("online", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#onstatus = () => {};
    this.close();
  }

  /** Whether the frame could be handed to a connection that, for all that is known, works. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #connect() {
    this.#onstatus("connecting");
    const url = new URL("/v1/connect", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    // A browser sets no header on a WebSocket, and a URL ends up in too many logs.
    const socket = new WebSocket(url, ["tagpost.v1", `token.${this.#token}`]);
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#ping();
    };
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = ({ code }) => this.#lost(opened, code);
    this.#deadline = setTimeout(() => this.#drop(opened), HANDSHAKE);
  }

  #hear(data) {
    const frame = data === "pong" ? undefined : JSON.parse(data);
    // Until the `welcome`, only that ends the wait for it.
    if (this.#keepalive || frame?.type === "welcome") {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
    }
    if (!frame) return;
    if (frame.type === "welcome") {
      this.#failures = 0;
      this.#keepalive = setInterval(() => this.#ping(), frame.keepalive * 1000);
      this.#onstatus("online");
    }
    this.#onframe(frame);
  }

  #ping() {
    this.#socket.send("ping");
    this.#deadline ??= setTimeout(() => this.#drop(true), PONG);
  }

  /** Gives a connection up whose other side is silent; its close could take minutes. */
  #drop(opened) {
    this.#detach();
    this.#lost(opened, 1006);
  }

  async #lost(opened, code) {
    this.#detach();
    if (FINAL.has(code)) return this.#stop("ended", FINAL.get(code));
    this.#onstatus("connecting");
    // Why a handshake failed is not told to a page, so it is asked in another way.
    if (!opened && (await this.#isRefused())) return this.#stop("ended", FINAL.get(4401));
    if (!this.#wanted || this.#socket) return;
    const [first, longest] = PAUSES;
    // Full jitter: when the relay comes back, not everyone does so at once.
    const pause = Math.random() * Math.min(longest, first * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), pause);
  }

  async #isRefused() {
    const answer = new Api(this.#token).get(devicePath(this.#device));
    return answer.then(() => false, (error) => error instanceof Problem && [401, 403].includes(error.status));
  }

  #stop(status, why) {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#detach();
    this.#onstatus(status, why);
  }

  #detach() {
    clearTimeout(this.#deadline);
    clearInterval(this.#keepalive);
    this.#deadline = this.#keepalive = undefined;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = undefined;
  }

  /** The page or the network is back: timers may have slept meanwhile. */
  #wake = () => {
    if (document.hidden || !this.#wanted) return;
    if (this.#keepalive) {
      this.#ping();
    } else if (this.#retry && !this.#socket) {
      clearTimeout(this.#retry);
      this.#connect();
    }
  };
}
