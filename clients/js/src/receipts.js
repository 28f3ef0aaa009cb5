// Receipts for the application. The service keeps each until it is confirmed as seen.

import { Queue } from "./queue.js";
import { withText } from "./reply.js";

/** @import { Receipt } from "./types.js" */

/** How many receipts are kept that the application has not seen. */
const KEPT = 1_000;
/** Receipts are confirmed to the service after at most this many. */
const BATCH = 50;

export class Receipts {
  #send;
  #renew;
  /** @type {Queue<Receipt>} */
  #waiting = new Queue();
  /** The number of the newest that was kept; numbers grow. */
  #newest = 0;
  /** The number of the newest receipt that the application has seen, and of the newest that was confirmed. */
  #seen = 0;
  #told = 0;
  #untold = 0;
  /** Receipts were left with the service, since too many waited here. */
  #left = false;
  #isIterated = false;

  /**
   * @param {(text: string) => boolean} send
   * @param {() => void} renew makes a new connection, over which the service sends all unseen receipts
   */
  constructor(send, renew) {
    this.#send = send;
    this.#renew = renew;
  }

  /** A new connection. */
  welcome() {
    this.#left = false;
    // The old connection may have lost what was said over it.
    this.#told = 0;
    this.#tell();
  }

  /**
   * @param {Receipt & { type?: string }} frame a `receipt`
   * @param {string} text the frame as it came
   */
  take({ type, ...receipt }, text) {
    if (receipt.seq <= this.#newest) return;
    // Confirming a receipt confirms all earlier ones: if one is left out, so are all later ones.
    this.#left ||= this.#waiting.size >= KEPT;
    if (this.#left) return;
    this.#newest = receipt.seq;
    this.#waiting.push(withText(receipt, text));
  }

  /**
   * Each receipt once, in order. It counts as seen when the next is asked for; one at which the iteration
   * breaks off is the first of the next iteration.
   *
   * @returns {AsyncGenerator<Receipt, void, void>}
   */
  async *receipts() {
    if (this.#isIterated) throw new TypeError("receipts are taken already, by an event listener or another loop");
    this.#isIterated = true;
    try {
      for (;;) {
        const receipt = await this.#waiting.take();
        if (!receipt) return;
        let done = false;
        try {
          yield receipt;
          done = true;
        } finally {
          if (!done) this.#waiting.unshift(receipt);
        }
        this.#saw(receipt);
      }
    } finally {
      this.#isIterated = false;
    }
  }

  /** @param {Error} [error] */
  end(error) {
    this.#tell();
    this.#waiting.end(error);
  }

  /** @param {Receipt} receipt */
  #saw({ seq }) {
    this.#seen = seq;
    this.#untold += 1;
    if (this.#waiting.size === 0 || this.#untold >= BATCH) this.#tell();
    if (this.#waiting.size === 0 && this.#left) this.#renew();
  }

  #tell() {
    if (this.#seen === this.#told) return;
    if (!this.#send(JSON.stringify({ type: "receipts_seen", seq: this.#seen }))) return;
    this.#told = this.#seen;
    this.#untold = 0;
  }
}
