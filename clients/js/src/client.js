// A client of the service over HTTP: each call is one request, and nothing is kept open.

import { Backoff } from "./backoff.js";
import { subject } from "./credential.js";
import { TagpostError } from "./errors.js";
import { Limit } from "./limit.js";
import { camelCase } from "./names.js";
import { randomKey, requestOf } from "./publish.js";
import { withTexts } from "./reply.js";

/** @import { Http, RequestOptions } from "./http.js" */
/**
 * @import {
 *   DeviceEntry, DeviceStatus, DeviceToken, FailedState, Failure, Grant, Overview, PairingCode, Published, PublishOptions,
 *   Resent, Sent, State, TagEntry, Target, Trace, WaitingMessage,
 * } from "./types.js"
 */

/** The errors after which the same publish is sent again. */
const PASSING = new Set(["too_many_requests", "unavailable", "no_token"]);

/** @typedef {{ signal?: AbortSignal | undefined }} CallOptions `signal`: gives up */

/** What `createClient` gives. Every call may be made at any time, and fails with a {@link TagpostError}. */
export class Client {
  #http;

  /** @param {Http} http */
  constructor(http) {
    this.#http = http;
  }

  /**
   * Publishes a message as the device of the token. While the service does not answer, or is too busy, it is sent again,
   * and stays one message.
   *
   * @template [Reply=unknown] what the devices answer, as far as the application knows
   * @param {Target | string} to a tag, a device as `@name`, or an expression of them: `hallway & !muted`
   * @param {unknown} payload JSON, a string, or bytes
   * @param {PublishOptions} [options]
   * @returns {Promise<Published<Reply>>} what became of it within the wait
   * @throws {TagpostError} the service refused it; `timeout`: nobody knows whether it did
   * @throws {TypeError | RangeError} the payload or an option cannot be sent
   */
  async publish(to, payload, options = {}) {
    const { path, headers, body } = requestOf(to, payload, options);
    const { wait = 1 } = options;
    const limit = new Limit(options);
    const backoff = new Backoff();
    try {
      for (;;) {
        try {
          const answer = await this.#ask("POST", path, { headers, body, wait, signal: limit.signal });
          const { id, deliveries, summary, state, deliverAt } = answer;
          return { id, deliveries, summary, ...(state && { state, deliverAt }) };
        } catch (error) {
          if (!(error instanceof TagpostError) || !isPassing(error)) throw error;
          limit.last = error;
          await limit.pause(Math.max(backoff.next(), 1000 * (error.retryAfter ?? 0)));
        }
      }
    } finally {
      limit.end();
    }
  }

  /**
   * The trace of a message: what became of it, step by step.
   *
   * @template [Reply=unknown]
   * @param {string} id
   * @param {{ wait?: number, limit?: number, cursor?: string } & CallOptions} [options] `wait`: seconds to wait for the
   *   terminal state of every delivery; `limit`: how many deliveries; `cursor`: the `next` of the page before
   * @returns {Promise<Trace<Reply>>}
   */
  async trace(id, { wait = 0, limit, cursor, signal } = {}) {
    return this.#ask("GET", `${message(id)}${query({ wait, limit, cursor })}`, { wait, signal });
  }

  /**
   * Cancels every delivery of a message that is not in a terminal state.
   *
   * @template [Reply=unknown]
   * @param {string} id
   * @param {CallOptions} [options]
   * @returns {Promise<Trace<Reply>>}
   */
  async cancel(id, { signal } = {}) {
    return this.#ask("DELETE", message(id), { signal });
  }

  /**
   * Sends a message again, to the devices that it has failed for.
   *
   * @template [Reply=unknown]
   * @param {string} id
   * @param {{ devices?: string[], key?: string } & CallOptions} [options] `devices`: only to these of them;
   *   `key`: an idempotency key: repeated with it, the message is sent again only once
   * @returns {Promise<Resent<Reply>>} the new message
   * @throws {TagpostError} `nothing_failed`, or `payload_gone`: the payload is not kept any more
   */
  async resend(id, { devices, key, signal } = {}) {
    const headers = { "content-type": "application/json", "idempotency-key": key ?? randomKey() };
    const body = JSON.stringify({ devices });
    return this.#ask("POST", `${message(id)}/resend`, { headers, body, wait: 1, signal });
  }

  /**
   * The messages that a device has sent, newest first: that of the token, or `device` with an admin key.
   *
   * @template [Reply=unknown]
   * @param {{ device?: string, state?: State } & CallOptions} [options] `state`: only those with a delivery in it
   * @returns {AsyncGenerator<Sent<Reply>, void, void>}
   */
  listMessages({ device, state, signal } = {}) {
    const path = device === undefined ? "v1/messages" : `${place(device)}/messages`;
    return this.#pages(path, "messages", { state }, signal);
  }

  /**
   * Binds the device of the token to a tag. The token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   * @throws {TagpostError} `too_many_tags`: the device has 100 already
   */
  async join(tag, { signal } = {}) {
    return this.bind(tag, subject(await this.#http.token(signal)), { signal });
  }

  /**
   * Unbinds the device of the token from a tag. The token must have a pattern of the tag in its `tags`.
   *
   * @param {string} tag
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   */
  async leave(tag, { signal } = {}) {
    return this.unbind(tag, subject(await this.#http.token(signal)), { signal });
  }

  /**
   * Binds a device to a tag. Takes the admin key.
   *
   * @param {string} tag
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   */
  async bind(tag, device, { signal } = {}) {
    await this.#http.request("PUT", binding(tag, device), { signal });
  }

  /**
   * Unbinds a device from a tag. Takes the admin key.
   *
   * @param {string} tag
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {Promise<void>} it applies to every publish from now on
   */
  async unbind(tag, device, { signal } = {}) {
    await this.#http.request("DELETE", binding(tag, device), { signal });
  }

  /**
   * All tags, by name. Takes the admin key.
   *
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<TagEntry, void, void>}
   */
  listTags({ signal } = {}) {
    return this.#pages("v1/tags", "tags", {}, signal);
  }

  /**
   * The devices of a tag, by name. Takes the admin key, or a token that may publish to the tag.
   *
   * @param {string} tag
   * @param {{ presence?: boolean } & CallOptions} [options] `presence`: whether to ask who is `online`
   * @returns {AsyncGenerator<{ device: string, online?: boolean }, void, void>}
   */
  listDevicesOf(tag, { presence, signal } = {}) {
    return this.#pages(`v1/tags/${encodeURIComponent(tag)}`, "devices", { presence }, signal);
  }

  /**
   * All devices, by name. Takes the admin key.
   *
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<DeviceEntry, void, void>}
   */
  listDevices({ signal } = {}) {
    return this.#pages("v1/devices", "devices", {}, signal);
  }

  /**
   * How a device is doing. Takes the admin key, or its own token.
   *
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {Promise<DeviceStatus>}
   */
  async device(device, { signal } = {}) {
    return this.#ask("GET", place(device), { signal });
  }

  /**
   * Creates a device, unless there is one of this name, and gives a new token of it. Takes the admin key.
   *
   * @param {string} device
   * @param {Grant & CallOptions} [grant] what the token permits
   * @returns {Promise<DeviceToken>}
   */
  async createDevice(device, { signal, ...grant } = {}) {
    return this.#ask("PUT", place(device), { ...json(granted(grant)), signal });
  }

  /**
   * A code with which a phone becomes this device, once. Takes the admin key.
   *
   * @param {string} device
   * @param {Grant & CallOptions} [grant] what the phone's token permits
   * @returns {Promise<PairingCode>}
   */
  async pairingCode(device, { signal, ...grant } = {}) {
    return this.#ask("POST", `${place(device)}/pair`, { ...json(granted(grant)), signal });
  }

  /**
   * Deletes a device, with its tokens and bindings, and what waits for it. Takes the admin key.
   *
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async deleteDevice(device, { signal } = {}) {
    await this.#http.request("DELETE", place(device), { signal });
  }

  /**
   * Revokes all tokens of a device. Takes the admin key.
   *
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async revokeTokens(device, { signal } = {}) {
    await this.#http.request("DELETE", `${place(device)}/tokens`, { signal });
  }

  /**
   * Revokes one token of a device, by its id, and closes a connection that was opened with it. The device's other tokens
   * stay valid. Takes the admin key.
   *
   * @param {string} device
   * @param {string} tokenId
   * @param {{ expiresAt?: number } & CallOptions} [options] `expiresAt`: when the token expires. Until then the service
   *   remembers the id; without it, until all tokens of the device are revoked
   * @returns {Promise<void>}
   * @throws {TagpostError} `too_many_revoked`: 100 of the device are remembered
   */
  async revokeToken(device, tokenId, { expiresAt, signal } = {}) {
    const path = `${place(device)}/tokens/${encodeURIComponent(tokenId)}${query({ expires_at: expiresAt })}`;
    await this.#http.request("DELETE", path, { signal });
  }

  /**
   * What waits for a device, and is not disturbed by being looked at. Takes the admin key, or its own token.
   *
   * @param {string} device
   * @param {CallOptions} [options]
   * @returns {AsyncGenerator<WaitingMessage, void, void>}
   */
  listWaiting(device, { signal } = {}) {
    return this.#pages(`${place(device)}/inbox`, "messages", {}, signal);
  }

  /**
   * The failed deliveries of all devices, newest first. Takes the admin key.
   *
   * @param {{ since?: Date | number, state?: FailedState, tag?: string, device?: string, sender?: string } & CallOptions} [options]
   *   only those from this time on, in this state, of this tag or expression, recipient or sender
   * @returns {AsyncGenerator<Failure, void, void>}
   */
  listFailures({ since, state, tag, device, sender, signal } = {}) {
    const from = since === undefined ? undefined : Number(since);
    return this.#pages("v1/failures", "failures", { since: from, state, tag, device, sender }, signal);
  }

  /**
   * How many devices, tags and failures there are. Takes the admin key.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<Overview>}
   */
  async overview({ signal } = {}) {
    return this.#ask("GET", "v1/overview", { signal });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {RequestOptions} options
   * @returns {Promise<any>} the answer with the library's names
   */
  async #ask(method, path, options) {
    const text = await this.#http.request(method, path, options);
    return camelCase(withTexts(JSON.parse(text), text));
  }

  /**
   * All entries of a list, page by page as they are asked for.
   *
   * @param {string} path
   * @param {string} name of the entries in a page
   * @param {Record<string, unknown>} filter
   * @param {AbortSignal | undefined} signal
   * @returns {AsyncGenerator<any, void, void>}
   */
  async *#pages(path, name, filter, signal) {
    let cursor;
    do {
      const page = await this.#ask("GET", `${path}${query({ ...filter, cursor })}`, { signal });
      yield* page[name];
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }
}

/** Whether the same request may succeed a little later. @param {TagpostError} error */
function isPassing({ code, status = 500 }) {
  return PASSING.has(code) || (code === "unreachable" && status >= 500);
}

/** @param {string} id */
function message(id) {
  return `v1/messages/${encodeURIComponent(id)}`;
}

/** @param {string} device */
function place(device) {
  return `v1/devices/${encodeURIComponent(device)}`;
}

/**
 * @param {string} tag
 * @param {string} device
 */
function binding(tag, device) {
  return `v1/tags/${encodeURIComponent(tag)}/devices/${encodeURIComponent(device)}`;
}

/** @param {Grant} grant */
function granted({ publish, tags, webhook, expiresIn }) {
  return { publish, tags, webhook, expires_in: expiresIn };
}

/** @param {object} body */
function json(body) {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** @param {Record<string, unknown>} parameters */
function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
