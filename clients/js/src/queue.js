// Things on their way from the connection to the application.

/**
 * A queue whose end is either silent or an error. Its size is its owner's matter.
 *
 * @template T
 */
export class Queue {
  /** @type {T[]} */
  #items = [];
  /** @type {PromiseWithResolvers<T | undefined>[]} */
  #takers = [];
  #ended = false;
  /** @type {Error | undefined} */
  #error;

  get size() {
    return this.#items.length;
  }

  /** @param {T} item */
  push(item) {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker) taker.resolve(item);
    else this.#items.push(item);
  }

  /** Puts back what was taken, so that it is the next. @param {T} item */
  unshift(item) {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker) taker.resolve(item);
    else this.#items.unshift(item);
  }

  /** Drops the waiting items for which this holds. @param {(item: T) => boolean} holds */
  drop(holds) {
    this.#items = this.#items.filter((item) => !holds(item));
  }

  /** The next item; waits for it. `undefined` once the queue has ended without an error. @returns {Promise<T | undefined>} */
  async take() {
    if (this.#error) throw this.#error;
    if (this.#ended || this.#items.length > 0) return this.#items.shift();
    /** @type {PromiseWithResolvers<T | undefined>} */
    const taker = Promise.withResolvers();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** Closes the queue: waiting items are dropped. @param {Error} [error] */
  end(error) {
    this.#ended = true;
    this.#error = error;
    this.#items = [];
    for (const taker of this.#takers.splice(0)) {
      if (error) taker.reject(error);
      else taker.resolve(undefined);
    }
  }
}
