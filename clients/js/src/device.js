// A device of the service: the object that the application uses.

import { Client } from "./client.js";
import { Connection } from "./connection.js";
import { TagpostError } from "./errors.js";
import { ProgressEvent, ReceiptEvent, RefusedEvent, StateEvent, WithdrawnEvent } from "./events.js";
import { Http } from "./http.js";
import { Inbox } from "./inbox.js";
import { Limit } from "./limit.js";
import { Outbox } from "./outbox.js";
import { frameOf } from "./publish.js";
import { Receipts } from "./receipts.js";

/** @import { CallOptions } from "./client.js" */
/** @import { Credential } from "./credential.js" */
/** @import { Message } from "./message.js" */
/** @import { ProgressOptions, Published, PublishOptions, Receipt, Resent, Target, Trace } from "./types.js" */

/**
 * A device with a connection that is kept up. Events: `online`, `offline` and `closed` ({@link StateEvent}),
 * `receipt` ({@link ReceiptEvent}), `progress` ({@link ProgressEvent}), `refused` ({@link RefusedEvent}), `withdrawn`
 * ({@link WithdrawnEvent}).
 *
 * @template [Payload=unknown] what its messages carry
 * @template [Reply=unknown] what it acknowledges them with
 */
export class Device extends EventTarget {
  /** @type {"connecting" | "online" | "offline" | "closed"} */
  #state = "connecting";
  /** @type {string | undefined} */
  #name;
  #http;
  #client;
  #connection;
  #inbox;
  #outbox;
  #receipts;
  #listens = false;

  /**
   * @param {URL} url
   * @param {Credential} credential
   */
  constructor(url, credential) {
    super();
    /** @param {string} text */
    const send = (text) => this.#connection.send(text);
    /** @param {() => void} onPong */
    const ping = (onPong) => this.#connection.ping(onPong);
    this.#inbox = new Inbox(send, ping, (id, error) => this.dispatchEvent(new RefusedEvent(id, error)));
    this.#outbox = new Outbox(send);
    this.#receipts = new Receipts(send, () => this.#connection.renew());
    this.#http = new Http(url, credential);
    this.#client = new Client(this.#http);
    this.#connection = new Connection(url, credential, this.#http, {
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
   * @returns {AsyncGenerator<Message<Payload, Reply>, void, void>}
   */
  messages(options) {
    return /** @type {AsyncGenerator<Message<Payload, Reply>, void, void>} */ (this.#inbox.messages(options));
  }

  /**
   * The terminal states of messages that this device published, except those in the publish's own answer.
   * A receipt counts as seen when the next one is asked for; until then it is sent again after a
   * restart of the application. Use either this or `receipt` events, not both.
   *
   * @template [Answer=unknown] what the devices reply, as far as the application knows
   * @returns {AsyncGenerator<Receipt<Answer>, void, void>}
   */
  receipts() {
    return /** @type {AsyncGenerator<Receipt<Answer>, void, void>} */ (this.#receipts.receipts());
  }

  /**
   * Publishes a message. It is sent again until the service has answered, also over later connections,
   * and stays one message.
   *
   * @template [Answer=unknown] what the devices reply, as far as the application knows
   * @param {Target | string} to a tag, a device as `@name`, or an expression of them: `hallway & !muted`
   * @param {unknown} payload JSON, a string, or bytes
   * @param {PublishOptions} [options]
   * @returns {Promise<Published<Answer>>} what became of it within the wait
   * @throws {TagpostError} the service refused it, or the device is closed; `timeout`: nobody knows whether it did
   * @throws {TypeError | RangeError} the payload or an option cannot be sent
   */
  async publish(to, payload, options = {}) {
    const { fields, json } = frameOf(to, payload, options);
    const limit = new Limit(options);
    try {
      return /** @type {Published<Answer>} */ (await this.#outbox.publish(fields, json, limit.signal));
    } finally {
      limit.end();
    }
  }

  /**
   * The trace of a message that this device published.
   *
   * @template [Answer=unknown]
   * @param {string} id
   * @param {{ wait?: number, limit?: number, cursor?: string } & CallOptions} [options] `wait`: seconds to wait for the
   *   terminal state of every delivery; `limit`: how many deliveries; `cursor`: the `next` of the page before
   * @returns {Promise<Trace<Answer>>}
   * @throws {TagpostError}
   */
  async trace(id, options) {
    return this.#client.trace(id, options);
  }

  /**
   * Cancels every delivery of a message that is not in a terminal state.
   *
   * @template [Answer=unknown]
   * @param {string} id
   * @param {CallOptions} [options]
   * @returns {Promise<Trace<Answer>>}
   * @throws {TagpostError}
   */
  async cancel(id, options) {
    return this.#client.cancel(id, options);
  }

  /**
   * Sends a message that this device published again, to the devices that it has failed for.
   *
   * @template [Answer=unknown]
   * @param {string} id
   * @param {{ devices?: string[], key?: string } & CallOptions} [options] `devices`: only to these of them;
   *   `key`: an idempotency key: repeated with it, the message is sent again only once
   * @returns {Promise<Resent<Answer>>} the new message
   * @throws {TagpostError} `nothing_failed`, or `payload_gone`: the payload is not kept any more
   */
  async resend(id, options) {
    return this.#client.resend(id, options);
  }

  /**
   * Binds this device to a tag. Its token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   * @throws {TagpostError} `too_many_tags`: the device has 100 already
   */
  async join(tag, options) {
    return this.#client.join(tag, options);
  }

  /**
   * Unbinds this device from a tag. Its token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   * @throws {TagpostError}
   */
  async leave(tag, options) {
    return this.#client.leave(tag, options);
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
