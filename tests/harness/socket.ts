// A WebSocket connection whose frames are awaited, never polled: every wait is bounded, and one that
// fails says what was expected and everything seen so far.

import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

import type { Frame } from "./protocol.ts";

/** Milliseconds to wait for a frame or a close, unless a test says otherwise. */
export const FRAME_TIMEOUT = 20_000;

export interface Handshake {
  protocols?: string[];
  headers?: Record<string, string>;
}

/** The service answered the handshake with something else than 101. */
export class HandshakeRefused extends Error {
  readonly status: number;
  readonly headers: Record<string, unknown>;

  constructor(status: number, headers: Record<string, unknown>, body: string) {
    super(`the handshake was answered ${status}: ${body}`);
    this.status = status;
    this.headers = headers;
  }
}

type Match = string | ((frame: Frame) => boolean);

export class Socket {
  /** Every frame that came, in order, also those already taken. */
  readonly seen: Frame[] = [];
  /** The subprotocol that the service chose. */
  readonly protocol: string;
  readonly #ws: WebSocket;
  readonly #waiting: Frame[] = [];
  readonly #close: Promise<{ code: number; reason: string }>;
  /** The first keep-alive was answered, or the connection has ended. */
  readonly #greeted = Promise.withResolvers<void>();
  #closed: { code: number; reason: string } | undefined;
  #arrived = Promise.withResolvers<void>();
  #onFrame: ((frame: Frame) => void) | undefined;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    this.protocol = ws.protocol;
    // A client shows life at once. It has to: local workerd ends the connection of one that never said
    // anything only when the object goes to sleep, long after both sides have sent their close frames.
    ws.send("ping");
    let greeted = false;
    ws.on("message", (data, binary) => {
      const frame = binary ? { type: "binary" } : parse(data.toString());
      if (greeted || frame.type !== "text:pong") return this.#take(frame);
      greeted = true;
      this.#greeted.resolve();
    });
    this.#close = new Promise((resolve) => {
      ws.on("close", (code, reason) => {
        this.#closed = { code, reason: reason.toString() };
        resolve(this.#closed);
        this.#greeted.resolve();
        this.#arrived.resolve();
      });
    });
    // A connection that breaks is reported by its close.
    ws.on("error", () => {});
  }

  /**
   * Opens a connection. Fails with [HandshakeRefused] when the service answers anything but 101.
   *
   * It is open once its first keep-alive is answered. While local workerd answers one it reads nothing, and if the
   * connection breaks just then, the answer is never written and the end never noticed: the device stays online until
   * it has been silent for too long.
   */
  static open(url: URL, { protocols = ["tagpost.v1"], headers }: Handshake): Promise<Socket> {
    const target = new URL(url);
    target.protocol = "ws:";
    const ws = new WebSocket(target, protocols, { headers, handshakeTimeout: FRAME_TIMEOUT });
    return new Promise((resolve, reject) => {
      // The listeners are set within the event, since frames may follow in the same read.
      ws.once("open", () => resolve(new Socket(ws).#whenGreeted()));
      ws.once("error", reject);
      ws.once("unexpected-response", (_request, response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk));
        response.on("end", () => reject(new HandshakeRefused(response.statusCode ?? 0, response.headers, body)));
      });
    });
  }

  /** The oldest frame not yet taken that has this type, or fits; waits for it. Others stay where they are. */
  async next(match: Match, timeout = FRAME_TIMEOUT): Promise<Frame> {
    const fits = typeof match === "string" ? (frame: Frame) => frame.type === match : match;
    const end = performance.now() + timeout;
    for (;;) {
      const at = this.#waiting.findIndex(fits);
      if (at >= 0) return this.#waiting.splice(at, 1)[0]!;
      const left = end - performance.now();
      if (left <= 0 || this.#closed) throw new Error(this.#missing(`a frame that fits ${match}`, timeout));
      await Promise.race([this.#arrived.promise, sleep(left, undefined, { ref: false })]);
    }
  }

  /** The next `count` messages, in the order in which they came. */
  async messages(count: number, timeout = FRAME_TIMEOUT): Promise<Frame[]> {
    const messages: Frame[] = [];
    while (messages.length < count) messages.push(await this.next("message", timeout));
    return messages;
  }

  /** How the connection was closed; waits for it. */
  async closed(timeout = FRAME_TIMEOUT): Promise<{ code: number; reason: string }> {
    const close = await Promise.race([this.#close, sleep(timeout, undefined, { ref: false })]);
    if (!close) throw new Error(this.#missing("the service to close the connection", timeout));
    return close;
  }

  get isOpen(): boolean {
    return this.#ws.readyState === WebSocket.OPEN;
  }

  send(frame: unknown): void {
    this.#ws.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame));
  }

  ack(id: string, reply?: unknown): void {
    this.send({ type: "ack", id, reply });
  }

  nack(id: string, reason?: string): void {
    this.send({ type: "nack", id, reason });
  }

  /** Says that the device works on a message. */
  progress(id: string, more: { for?: number; note?: string } = {}): void {
    this.send({ type: "progress", id, ...more });
  }

  /** Acknowledges every message from now on, also those that came before and were not taken. */
  answer(reply: (message: Frame) => unknown = () => undefined): void {
    this.#onFrame = (frame) => {
      if (frame.type === "message") this.ack(frame.id, reply(frame));
    };
    this.#waiting.forEach(this.#onFrame);
  }

  /** Sends the keep-alive text and waits for its answer. */
  async ping(timeout = FRAME_TIMEOUT): Promise<void> {
    this.send("ping");
    await this.next("text:pong", timeout);
  }

  /** Closes the connection and waits until the service has done so too. */
  async close(): Promise<void> {
    this.#ws.close(1000);
    await this.closed();
  }

  /** Breaks the connection without a close frame, as a device does that loses its network. */
  terminate(): void {
    this.#ws.terminate();
  }

  async #whenGreeted(): Promise<this> {
    const late = sleep(FRAME_TIMEOUT, "late", { ref: false });
    if ((await Promise.race([this.#greeted.promise, late])) !== "late") return this;
    throw new Error(this.#missing("the service to answer a keep-alive", FRAME_TIMEOUT));
  }

  #take(frame: Frame): void {
    this.seen.push(frame);
    this.#waiting.push(frame);
    this.#onFrame?.(frame);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  #missing(what: string, timeout: number): string {
    const closed = this.#closed ? `; closed with ${this.#closed.code} ${this.#closed.reason}` : "";
    const seen = this.seen.map((frame) => `\n  ${JSON.stringify(frame)}`).join("");
    return `expected within ${timeout} ms: ${what}${closed}; seen so far:${seen || " nothing"}`;
  }
}

/** A text that is not a JSON object becomes a frame too, so that it shows up in what was seen. */
function parse(text: string): Frame {
  try {
    const frame = JSON.parse(text);
    if (typeof frame === "object" && frame !== null) return frame;
  } catch {
    // Not JSON: `pong`, for one.
  }
  return { type: `text:${text}` };
}
