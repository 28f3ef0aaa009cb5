// What a client identifies itself with: a token that stays, or a function that gives a new one before the old one ends.
//
// Lifetimes come from the token's own `iat` and `exp` (RFC 7519), counted from when it was given. The device's clock can
// only make a renewal come early: where it is wrong, the service refuses the token, and a new one is asked for then.

import { TagpostError } from "./errors.js";

/** Milliseconds within which a token function has to answer. */
const LIMIT = 15_000;
/** A token is renewed this part of its lifetime before it ends, and at most so many milliseconds. */
const MARGIN = 0.1;
const LONGEST_MARGIN = 60_000;
/** The shortest time between a token and its renewal, in milliseconds. */
const SHORTEST = 1_000;

/** Three parts of base64url, as a JWT has them (RFC 7519). */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** What a header can hold without being changed on the way. */
const SECRET = /^[\x21-\x7e]+$/;

/** @typedef {() => string | Promise<string>} TokenFunction gives a token that is valid now */

export class Credential {
  /** @type {TokenFunction | undefined} */
  #give;
  /** The token, and when to renew it, as `performance.now()` counts. @type {{ token: string, until: number } | undefined} */
  #current;
  /** @type {Promise<string> | undefined} */
  #asking;
  /** The token that the service has refused last. @type {string | undefined} */
  #refused;

  /**
   * A device's token, or the function that gives it.
   *
   * @param {string | TokenFunction} token
   * @returns {Credential}
   * @throws {TypeError} it cannot be one
   */
  static device(token) {
    const credential = new Credential();
    if (typeof token === "function") credential.#give = token;
    else if (isToken(token)) credential.#current = { token, until: Infinity };
    else if (token === undefined) throw new TypeError("token is missing: it is a device's token");
    else throw new TypeError("token must be a device's token, or a function that gives one");
    return credential;
  }

  /**
   * An operator's key.
   *
   * @param {string} key
   * @returns {Credential}
   * @throws {TypeError} it cannot be one
   */
  static admin(key) {
    if (typeof key !== "string" || !SECRET.test(key)) throw new TypeError("adminKey must be the service's admin key");
    const credential = new Credential();
    credential.#current = { token: key, until: Infinity };
    return credential;
  }

  /**
   * The token, renewed if its time is nearly over.
   *
   * @returns {Promise<string>}
   * @throws {TagpostError} `no_token`: the function gave none; `unauthorized`: there will be none
   */
  async get() {
    if (this.#current && performance.now() < this.#current.until) return this.#current.token;
    return this.renew();
  }

  /**
   * A token that the function gives now.
   *
   * @returns {Promise<string>}
   * @throws {TagpostError} as {@link get}
   */
  async renew() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Milliseconds until the token should be renewed; `Infinity` if never. */
  get renewIn() {
    return this.#current ? this.#current.until - performance.now() : 0;
  }

  /**
   * The service has refused this token.
   *
   * @param {string} token
   * @returns {boolean} whether there may be another
   */
  refuse(token) {
    if (!this.#give) return false;
    this.#refused = token;
    if (this.#current?.token === token) this.#current = undefined;
    return true;
  }

  async #ask() {
    const give = this.#give;
    if (!give) throw new TagpostError("unauthorized", "the token is no longer valid");
    let token;
    try {
      token = await soon(async () => give());
    } catch (cause) {
      // The application knows that there will be none: nobody is signed in any more, for example.
      if (cause instanceof TagpostError && cause.code === "unauthorized") throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TagpostError("no_token", `the token function failed: ${why}`, { cause });
    }
    if (!isToken(token)) throw new TagpostError("no_token", "the token function gave something that is no device's token");
    if (token === this.#refused) {
      throw new TagpostError("unauthorized", "the token function gave a token that the service has refused");
    }
    this.#current = { token, until: performance.now() + lifetime(token) };
    return token;
  }
}

/**
 * The device that a token speaks for (RFC 7519, section 4.1.2). Names are ASCII.
 *
 * @param {string} token
 * @returns {string}
 */
export function subject(token) {
  return claims(token).sub;
}

/** Milliseconds from now until a token should be renewed. @param {string} token */
function lifetime(token) {
  const { iat, exp } = claims(token);
  if (typeof exp !== "number") return Infinity;
  const whole = 1000 * (exp - iat);
  const left = 1000 * exp - Date.now();
  // By a clock that is wrong, a new token may be over already.
  const lifetime = left > 0 && !(left > whole) ? left : whole;
  return Math.max(SHORTEST, lifetime - Math.min(MARGIN * lifetime, LONGEST_MARGIN)) || SHORTEST;
}

/** What a token says, unverified. @param {string} token @returns {any} */
function claims(token) {
  const [, claims = ""] = token.split(".");
  try {
    return JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

/** @param {unknown} token @returns {token is string} */
function isToken(token) {
  return typeof token === "string" && TOKEN.test(token);
}

/**
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
async function soon(ask) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no token within ${LIMIT / 1000} s`)), LIMIT);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([ask(), late]));
  } finally {
    clearTimeout(timer);
  }
}
