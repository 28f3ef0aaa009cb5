// How long to pause before the next attempt to connect.

/** The longest first pause, in milliseconds. */
const FIRST = 1_000;
/** The longest pause of all, in milliseconds. */
const LONGEST = 30_000;

/**
 * Full jitter: a random part of a time that doubles with every failure. After an upgrade of the service
 * all devices come back, but not at once.
 */
export class Backoff {
  #failures = 0;
  #random;

  /** @param {() => number} [random] a number from 0 up to 1 */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Milliseconds to pause now. */
  next() {
    const longest = Math.min(LONGEST, FIRST * 2 ** this.#failures);
    this.#failures += 1;
    return this.#random() * longest;
  }

  /** It works again: the next pause is a first one. */
  reset() {
    this.#failures = 0;
  }
}
