// The one error of this library.

/**
 * What the service refused, or why a device's connection ended for good.
 *
 * `code` is stable, to be compared; `message` is for a person to read. Neither holds a token or a payload.
 *
 * Codes of this library's own:
 * - `unreachable`: the service gave no answer that could be understood;
 * - `timeout`: a publish was not answered in time; the message may have been accepted;
 * - `no_token`: the function that was given as `token` gave none;
 * - `taken_over`: a newer connection of the same device took the place of this one;
 * - `closed`: the application called `close()`.
 *
 * All others are those of the service, `unauthorized` and `unknown_tag` for example.
 */
export class TagpostError extends Error {
  /**
   * @param {string} code
   * @param {string} detail
   * @param {{ status?: number | undefined, retryAfter?: number | undefined, cause?: unknown }} [more]
   */
  constructor(code, detail, { status, retryAfter, cause } = {}) {
    super(`${code}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = "TagpostError";
    /** @readonly */
    this.code = code;
    /** The HTTP status, where the service answered with one. @readonly */
    this.status = status;
    /** Seconds after which the same request may be answered, where the service said so. @readonly */
    this.retryAfter = retryAfter;
  }
}
