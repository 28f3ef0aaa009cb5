// One WebSocket connection, from its handshake to its end, which is reported once.

/** Milliseconds for the handshake and the `welcome` together. */
const HANDSHAKE_LIMIT = 15_000;
/** Milliseconds within which something has to be heard after a `ping`. */
const PONG_LIMIT = 10_000;

/**
 * @typedef {object} End How a connection ended.
 * @property {boolean} opened whether the handshake had succeeded
 * @property {number} code the close code; 1006 where there was no close
 * @property {string} reason
 */

export class Socket {
  #ws;
  #onFrame;
  #onEnd;
  #opened = false;
  #ended = false;
  /** What to do at the next `pong`s, one for each `ping` that is not answered yet. @type {(() => void)[]} */
  #pings = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #handshake;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #keepalive;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;

  /**
   * @param {URL} url of the service
   * @param {string} token
   * @param {(frame: any, text: string) => void} onFrame
   * @param {(end: End) => void} onEnd
   */
  constructor(url, token, onFrame, onEnd) {
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
    const target = new URL("v1/connect", url);
    target.protocol = target.protocol.replace("http", "ws");
    // Browsers can set no header on a WebSocket, and a URL is written to too many logs.
    this.#ws = new WebSocket(target, ["tagpost.v1", `token.${token}`]);
    this.#ws.onopen = () => {
      this.#opened = true;
      this.ping();
    };
    this.#ws.onmessage = ({ data }) => this.#hear(data);
    this.#ws.onclose = ({ code, reason }) => this.#end(code, reason);
    // In Node.js 22 no close event follows a failed handshake. Elsewhere one follows, but it says no more.
    this.#ws.onerror = () => this.#end(1006, "");
    this.#handshake = setTimeout(() => this.#end(1006, "no welcome in time"), HANDSHAKE_LIMIT);
  }

  /**
   * Sends a ping, and ends the connection if the service does not answer.
   *
   * @param {() => void} [onPong] called once the service has answered, so that all that was sent before has come to it
   * @returns {boolean} whether it was sent
   */
  ping(onPong = () => {}) {
    if (!this.send("ping")) return false;
    this.#pings.push(onPong);
    this.#silence ??= setTimeout(() => this.#end(1006, "no answer to a ping"), PONG_LIMIT);
    return true;
  }

  /** Sends a text. Returns `false` if the connection is not open. @param {string} text */
  send(text) {
    if (this.#ended || this.#ws.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(text);
    return true;
  }

  /** Closes it without reporting its end; what was sent before still goes out. */
  close() {
    this.#ended = true;
    clearTimeout(this.#handshake);
    clearTimeout(this.#silence);
    clearInterval(this.#keepalive);
    // The close of a connection whose other side is gone takes minutes: nothing of it is heard any more.
    this.#ws.onopen = this.#ws.onmessage = this.#ws.onclose = this.#ws.onerror = null;
    this.#ws.close(1000);
  }

  /** @param {unknown} data */
  #hear(data) {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    if (data === "pong") return this.#pings.shift()?.();
    const text = `${data}`;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#end(1006, "a frame that is not JSON");
    }
    if (frame.type === "welcome") {
      clearTimeout(this.#handshake);
      this.#keepalive ??= setInterval(() => this.ping(), frame.keepalive * 1000);
    }
    this.#onFrame(frame, text);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    if (this.#ended) return;
    this.close();
    this.#onEnd({ opened: this.#opened, code, reason });
  }
}
