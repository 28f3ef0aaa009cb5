// The events of a device.

/** @import { TagpostError } from "./errors.js" */
/** @import { Progress, Receipt } from "./types.js" */

/** What became of a message that this device published. */
export class ReceiptEvent extends Event {
  /** @param {Receipt} receipt */
  constructor(receipt) {
    super("receipt");
    /** @readonly */
    this.receipt = receipt;
  }
}

/**
 * A message that this device has ended without its answer. Its `signal` says so, too; this event also tells of messages
 * that came over an earlier connection or a poll, of which this object knows nothing else.
 */
export class WithdrawnEvent extends Event {
  /**
   * @param {string} id
   * @param {string} reason
   */
  constructor(id, reason) {
    super("withdrawn");
    /** Of the message. @readonly */
    this.id = id;
    /** `cancelled`, `replaced`, `expired` or `enough`. @readonly */
    this.reason = reason;
  }
}

/** A device works on a message that this device published. */
export class ProgressEvent extends Event {
  /** @param {Progress} progress */
  constructor(progress) {
    super("progress");
    /** @readonly */
    this.progress = progress;
  }
}

/**
 * The service refused an answer, and the message is unanswered. If the answer's promise had resolved before, and the
 * message comes again, `messages()` shows it again; otherwise the promise rejects.
 */
export class RefusedEvent extends Event {
  /**
   * @param {string} id
   * @param {TagpostError} error
   */
  constructor(id, error) {
    super("refused");
    /** Of the message. @readonly */
    this.id = id;
    /** @readonly */
    this.error = error;
  }
}

/** The connection came, went, or is over. */
export class StateEvent extends Event {
  /**
   * @param {"online" | "offline" | "closed"} state
   * @param {{ reason?: string, retryIn?: number, error?: TagpostError | undefined }} [more]
   */
  constructor(state, { reason, retryIn, error } = {}) {
    super(state);
    /** @readonly */
    this.state = state;
    /** Of `offline` and `closed`: why. @readonly */
    this.reason = reason;
    /** Of `offline`: milliseconds until the next attempt. @readonly */
    this.retryIn = retryIn;
    /** Of `closed`: why there will be no further attempt. Absent after `close()`. @readonly */
    this.error = error;
  }
}
