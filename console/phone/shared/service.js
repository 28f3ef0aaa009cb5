// The service's HTTP interface, as this phone uses it. The token is sent in a header, and to this address only.

import { BASE } from "./place.js";

/** Milliseconds until a request without an answer is given up. A worker that was woken has about half a minute. */
const LIMIT = 12_000;

/** The service answered with an error (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {{ code?: string, title?: string, detail?: string }} [problem] */
  constructor(status, { code = "unknown", title = `The service answered ${status}`, detail = "" } = {}) {
    super(detail || title);
    this.status = status;
    this.code = code;
  }

  /** Whether the same request may be answered later. */
  get isPassing() {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** Whether the service takes the token no more. @param {unknown} failure */
export const isRefusal = (failure) => failure instanceof Problem && failure.status === 401;

/** The service did not answer, or something else did, so nobody knows what became of the request. */
export class Unanswered extends Error {
  constructor() {
    super("The service does not answer");
  }
}

/**
 * The text of the answer; empty if there is none.
 *
 * @param {string} method
 * @param {string} path below the service's own
 * @param {{ token?: string, body?: unknown }} [options]
 * @returns {Promise<string>}
 * @throws {Problem | Unanswered}
 */
export async function ask(method, path, { token, body } = {}) {
  const response = await fetch(new URL(path, BASE), {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    // A redirect could lead to another server than the one that the token is for.
    redirect: "error",
    signal: AbortSignal.timeout(LIMIT),
  }).catch(() => undefined);
  const text = await response?.text().catch(() => undefined);
  if (text === undefined) throw new Unanswered();
  const answer = parse(text);
  if (response.ok && (answer !== undefined || response.status === 204)) return text;
  // What has no code does not come from the service, but from something on the way: it passes.
  if (typeof answer?.code !== "string") throw new Unanswered();
  throw new Problem(response.status, answer);
}

/** The same, for an answer that is JSON. */
export async function askJson(method, path, options) {
  const text = await ask(method, path, options);
  return text === "" ? undefined : JSON.parse(text);
}

export const devicePath = ({ device }) => `v1/devices/${encodeURIComponent(device)}`;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
