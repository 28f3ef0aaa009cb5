// tagpost's client library: one package for browsers, Node, Deno and Workers.

import { serviceAt } from "./address.js";
import { Client } from "./client.js";
import { Credential } from "./credential.js";
import { Device } from "./device.js";
import { Http } from "./http.js";

export { TagpostError } from "./errors.js";
export { ProgressEvent, ReceiptEvent, RefusedEvent, StateEvent, WithdrawnEvent } from "./events.js";
export { Message } from "./message.js";
export * from "./types.js";
export { Client, Device };

/** @import { TokenFunction } from "./types.js" */

/**
 * A client that publishes, and asks what became of it, over HTTP alone. It opens no connection, so it disturbs no device
 * that listens with the same token, and there is nothing to close.
 *
 * With an admin key, it sees all messages, and keeps the directory of devices and tags; it publishes nothing.
 *
 * @param {{ url: string | URL, token: string | TokenFunction, adminKey?: undefined }
 *   | { url: string | URL, adminKey: string, token?: undefined }} options `url`: where the service is,
 * `https://push.example.org`, or `https://example.com/push` below a path; `token`: a device's, or a function that gives one,
 * which is asked again before it ends and when the service refuses it; `adminKey`: the operator's, never in a browser
 * that is not the operator's
 * @returns {Client}
 * @throws {TypeError} `url`, `token` or `adminKey` cannot be one
 */
export function createClient({ url, token, adminKey }) {
  const base = serviceAt(url);
  if (token !== undefined && adminKey !== undefined) throw new TypeError("either token or adminKey is given, not both");
  const credential = adminKey === undefined ? Credential.device(/** @type {any} */ (token)) : Credential.admin(adminKey);
  return new Client(new Http(base, credential));
}

/**
 * Connects as the device whose token this is, and keeps the connection up until `close()`, or until the
 * token is no longer valid or a newer connection of the same device takes over.
 *
 * Returns at once: what is published meanwhile is sent when the connection is there.
 *
 * @template [Payload=unknown] what its messages carry, as far as the application knows its senders
 * @template [Reply=unknown] what it acknowledges them with
 * @param {{ url: string | URL, token: string | TokenFunction }} options `url`: where the service is,
 * `https://push.example.org`, or `https://example.com/push` below a path; `token`: the device's, or a function that gives
 * one, which is asked again before it ends and when the service refuses it
 * @returns {Device<Payload, Reply>}
 * @throws {TypeError} `url` or `token` cannot be one
 */
export function connect({ url, token }) {
  const base = serviceAt(url);
  const credential = Credential.device(token);
  if (typeof WebSocket === "undefined") {
    throw new Error("there is no WebSocket here: it takes Node.js 22 or newer, a browser, Deno or a Worker");
  }
  return new Device(base, credential);
}
