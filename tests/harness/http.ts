// One HTTP request and its answer. A request that hangs fails: that is how failures on this platform look.

import { expect } from "vitest";

/** Milliseconds after which an unanswered request fails, on top of the seconds it asked the service to wait. */
export const ANSWER_TIMEOUT = 10_000;

export interface Call {
  token?: string;
  headers?: Record<string, string>;
  /** Sent as it is when it is a string, bytes or a stream, as JSON otherwise. */
  body?: unknown;
  /** Milliseconds until the request counts as hung. */
  timeout?: number;
}

/** An answer, read to its end. */
export class Answer {
  readonly request: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Milliseconds from the request to the whole answer. */
  readonly took: number;

  constructor(request: string, response: Response, text: string, took: number) {
    this.request = request;
    this.status = response.status;
    this.headers = response.headers;
    this.text = text;
    this.took = took;
  }

  get json(): any {
    try {
      return JSON.parse(this.text);
    } catch {
      throw new Error(`${this} is not JSON`);
    }
  }

  /** The JSON of an answer that must have this status; `undefined` for an empty one. */
  is(status: number): any {
    if (this.status !== status) throw new Error(`expected ${status}, but ${this}`);
    return this.text === "" ? undefined : this.json;
  }

  /** The problem document of an answer that must be one (RFC 9457) with this status and code. */
  problem(status: number, code?: string): any {
    const problem = this.is(status);
    expect(this.headers.get("content-type"), `${this}`).toMatch(/^application\/problem\+json/);
    expect(problem, `${this}`).toMatchObject({
      type: expect.any(String),
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code: code ?? expect.any(String),
    });
    return problem;
  }

  toString(): string {
    return `${this.request} was answered ${this.status} after ${Math.round(this.took)} ms: ${this.text.slice(0, 1000)}`;
  }
}

export async function call(base: URL, method: string, path: string, options: Call = {}): Promise<Answer> {
  const { token, body, timeout = ANSWER_TIMEOUT } = options;
  const headers = new Headers(options.headers);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const raw =
    body === undefined || typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
  if (!raw && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");

  const request = `${method} ${path}`;
  const started = performance.now();
  try {
    const response = await fetch(new URL(path, base), {
      method,
      headers,
      body: (raw ? body : JSON.stringify(body)) as RequestInit["body"],
      duplex: "half",
      redirect: "manual",
      signal: AbortSignal.timeout(timeout),
    });
    return new Answer(request, response, await response.text(), performance.now() - started);
  } catch (error) {
    const cause = error instanceof Error && error.cause ? ` (${error.cause})` : "";
    throw new Error(`${request} was not answered within ${timeout} ms: ${error}${cause}`);
  }
}
