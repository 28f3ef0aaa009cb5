// A device of the service: the object that the application uses.

import { Connection } from "./connection.js";
import { TagpostError } from "./errors.js";
import { ProgressEvent, ReceiptEvent, RefusedEvent, StateEvent, WithdrawnEvent } from "./events.js";
import { Http } from "./http.js";
import { Inbox } from "./inbox.js";
import { Outbox } from "./outbox.js";
import { encode } from "./payload.js";
import { Receipts } from "./receipts.js";
import { withTexts } from "./reply.js";

/** @import { Message } from "./message.js" */
/** @import { ProgressOptions, Published, PublishOptions, Receipt, Target, Trace } from "./index.js" */

/** Random enough to name one publish of one device. */
const KEY_BYTES = 16;

/**
 * A device with a connection that is kept up. Events: `online`, `offline` and `closed` ({@link StateEvent}),
 * `receipt` ({@link ReceiptEvent}), `progress` ({@link ProgressEvent}), `refused` ({@link RefusedEvent}), `withdrawn`
 * ({@link WithdrawnEvent}).
 */
export class Device extends EventTarget {
  /** @type {"connecting" | "online" | "offline" | "closed"} */
  #state = "connecting";
  /** @type {string | undefined} */
  #name;
  #http;
  #connection;
  #inbox;
  #outbox;
  #receipts;
  #listens = false;
  #token;

  /**
   * @param {URL} url
   * @param {string} token
   */
  constructor(url, token) {
    super();
    this.#token = token;
    /** @param {string} text */
    const send = (text) => this.#connection.send(text);
    /** @param {() => void} onPong */
    const ping = (onPong) => this.#connection.ping(onPong);
    this.#inbox = new Inbox(send, ping, (id, error) => this.dispatchEvent(new RefusedEvent(id, error)));
    this.#outbox = new Outbox(send);
    this.#receipts = new Receipts(send, () => this.#connection.renew());
    this.#http = new Http(url, token);
    this.#connection = new Connection(url, token, this.#http, {
      frame: (frame, text) => this.#take(frame, text),
      offline: (reason, retryIn) => this.#change("offline", { reason, retryIn }),
      ended: (error) => this.#end(error),
    });
  }

  /** The device's name, once the service has sent it. */
  get name() {
    return this.#name;
  }

  get state() {
    return this.#state;
  }

  /** How many messages have arrived and wait to be taken by the application. Never more than the service's window. */
  get waiting() {
    return this.#inbox.size;
  }

  /**
   * The messages for this device, each once. The iteration ends after `close()`, and fails when the
   * connection has ended with an error. Several iterations share the messages among them.
   *
   * A message that was not answered when an iteration breaks off is the first of the next one. A message that is
   * withdrawn before it is taken is left out.
   *
   * @param {{ progress?: ProgressOptions }} [options] `progress`: each message is kept in progress from the moment when
   * it is taken until it is answered, as with {@link Message.working}; so answer each
   * @returns {AsyncGenerator<Message, void, void>}
   */
  messages(options) {
    return this.#inbox.messages(options);
  }

  /**
   * The terminal states of messages that this device published, except those in the publish's own answer.
   * A receipt counts as seen when the next one is asked for; until then it is sent again after a
   * restart of the application. Use either this or `receipt` events, not both.
   *
   * @returns {AsyncGenerator<Receipt, void, void>}
   */
  receipts() {
    return this.#receipts.receipts();
  }

  /**
   * Publishes a message. It is sent again until the service has answered, also over later connections,
   * and stays one message. Nothing limits how long that takes but `signal` and `close()`.
   *
   * @param {Target | string} to a tag, a device as `@name`, or an expression of them: `hallway & !muted`
   * @param {unknown} payload JSON, a string, or bytes
   * @param {PublishOptions} [options]
   * @returns {Promise<Published>} what became of it within the wait
   * @throws {TagpostError} the service refused it, or the device is closed
   * @throws {TypeError | RangeError} the payload cannot be sent
   */
  async publish(to, payload, options = {}) {
    const { ttl, topic, urgency, wait, key, echo, acksNeeded, escalate, delay, deliverAt, type, signal } = options;
    const { json, encoding } = encode(payload, type);
    const fields = {
      type: "publish",
      to: target(to),
      encoding,
      content_type: type,
      ttl,
      topic,
      urgency,
      wait,
      echo,
      acks_needed: acksNeeded,
      escalate: escalate?.map(({ to, after }) => ({ to: target(to), after })),
      delay,
      deliver_at: deliverAt === undefined ? undefined : Number(deliverAt),
      idempotency_key: key ?? randomKey(),
    };
    return this.#outbox.publish(fields, json, signal);
  }

  /**
   * The trace of a message that this device published.
   *
   * @param {string} id
   * @param {{ wait?: number, signal?: AbortSignal }} [options] `wait`: seconds to wait for the terminal state of every delivery
   * @returns {Promise<Trace>}
   * @throws {TagpostError}
   */
  async trace(id, { wait = 0, signal } = {}) {
    return this.#ask("GET", `v1/messages/${encodeURIComponent(id)}?wait=${wait}`, { wait, signal });
  }

  /**
   * Cancels every delivery of a message that is not in a terminal state.
   *
   * @param {string} id
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Trace>}
   * @throws {TagpostError}
   */
  async cancel(id, { signal } = {}) {
    return this.#ask("DELETE", `v1/messages/${encodeURIComponent(id)}`, { signal });
  }

  /**
   * Sends a message that this device published again, to the devices that it has failed for.
   *
   * @param {string} id
   * @param {{ devices?: string[], key?: string, signal?: AbortSignal }} [options] `devices`: only to these of them;
   *   `key`: an idempotency key: repeated with it, the message is sent again only once
   * @returns {Promise<Published & { resend_of: string }>} the new message
   * @throws {TagpostError} `nothing_failed`, or `payload_gone`: the payload is not kept any more
   */
  async resend(id, { devices, key, signal } = {}) {
    const headers = { "content-type": "application/json", "idempotency-key": key ?? randomKey() };
    const body = JSON.stringify({ devices });
    return this.#ask("POST", `v1/messages/${encodeURIComponent(id)}/resend`, { headers, body, wait: 1, signal });
  }

  /**
   * Binds this device to a tag. Its token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   * @throws {TagpostError} `too_many_tags`: the device has 100 already
   */
  async join(tag, { signal } = {}) {
    await this.#http.request("PUT", this.#binding(tag), { signal });
  }

  /**
   * Unbinds this device from a tag. Its token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   * @throws {TagpostError}
   */
  async leave(tag, { signal } = {}) {
    await this.#http.request("DELETE", this.#binding(tag), { signal });
  }

  /**
   * Ends the connection at once, whatever the network does. What is not answered fails with `closed`; some
   * publishes may have been accepted.
   */
  close() {
    this.#connection.end();
    this.#http.end(new TagpostError("closed", "the device was closed"));
  }

  /**
   * @overload
   * @param {"online" | "offline" | "closed"} type
   * @param {(event: StateEvent) => void} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"receipt"} type it counts as seen once all listeners have returned
   * @param {(event: ReceiptEvent) => void} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"progress"} type it is dispatched once, while this device is connected
   * @param {(event: ProgressEvent) => void} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"withdrawn"} type
   * @param {(event: WithdrawnEvent) => void} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"refused"} type
   * @param {(event: RefusedEvent) => void} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {string} type
   * @param {Parameters<EventTarget["addEventListener"]>[1]} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   * @returns {void}
   */
  /**
   * @param {string} type
   * @param {any} listener
   * @param {Parameters<EventTarget["addEventListener"]>[2]} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    if (type === "receipt") this.#listen();
  }

  /** Nobody sees a receipt before there is a listener. */
  async #listen() {
    if (this.#listens) return;
    this.#listens = true;
    try {
      for await (const receipt of this.receipts()) this.dispatchEvent(new ReceiptEvent(receipt));
    } catch (error) {
      // How the connection ended is told by `closed`; any other error is the application's.
      if (!(error instanceof TagpostError)) throw error;
    }
  }

  /** The path of this device's binding to a tag. @param {string} tag */
  #binding(tag) {
    return `v1/tags/${encodeURIComponent(tag)}/devices/${encodeURIComponent(subject(this.#token))}`;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ wait?: number, signal?: AbortSignal | undefined, headers?: Record<string, string>, body?: string }} options
   */
  async #ask(method, path, options) {
    const text = await this.#http.request(method, path, options);
    return withTexts(JSON.parse(text), text);
  }

  /**
   * @param {any} frame
   * @param {string} text the frame as it came
   */
  #take(frame, text) {
    switch (frame.type) {
      case "welcome":
        this.#name = frame.device;
        this.#inbox.welcome(frame);
        this.#receipts.welcome();
        this.#outbox.welcome();
        return this.#change("online");
      case "message":
        return this.#inbox.take(frame, text);
      case "withdrawn":
        this.#inbox.withdrawn(frame);
        return this.dispatchEvent(new WithdrawnEvent(frame.id, frame.reason));
      case "receipt":
        return this.#receipts.take(frame, text);
      case "progress": {
        const { type, ...progress } = frame;
        return this.dispatchEvent(new ProgressEvent(progress));
      }
      case "published":
        return this.#outbox.answered(frame, text);
      case "error":
        if (!this.#inbox.refused(frame)) this.#outbox.answered(frame, text);
    }
  }

  /** @param {TagpostError} [error] */
  #end(error) {
    this.#inbox.end(error);
    this.#receipts.end(error);
    this.#outbox.end(error ?? new TagpostError("closed", "the device was closed"));
    this.#change("closed", { reason: error?.message ?? "closed by the application", error });
  }

  /**
   * @param {"online" | "offline" | "closed"} state
   * @param {ConstructorParameters<typeof StateEvent>[1]} [more]
   */
  #change(state, more) {
    this.#state = state;
    this.dispatchEvent(new StateEvent(state, more));
  }
}

/**
 * What a string addresses: an expression, if it has an operator; a device after `@`, as in a token's `publish`
 * patterns; otherwise a tag.
 *
 * @param {Target | string} name
 * @returns {Target}
 */
function target(name) {
  if (typeof name !== "string") return name;
  if (/[&|!()]/.test(name)) return { match: name };
  return name.startsWith("@") ? { device: name.slice(1) } : { tag: name };
}

/** The device that a token speaks for (RFC 7519, section 4.1.2). Names are ASCII. @param {string} token @returns {string} */
function subject(token) {
  const [, claims = ""] = token.split(".");
  return JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))).sub;
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
