// One HTTP request and its answer. A request that hangs fails: that is how failures on this platform look.

import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { ReadableStream } from "node:stream/web";

import { expect } from "vitest";

/** Milliseconds after which an unanswered request fails, on top of the seconds it asked the service to wait. */
export const ANSWER_TIMEOUT = 20_000;

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

  constructor(request: string, response: IncomingMessage, text: string, took: number) {
    this.request = request;
    this.status = response.statusCode ?? 0;
    this.headers = new Headers(Object.entries(response.headers).map(([name, value]) => [name, `${value}`]));
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
  const headers: Record<string, string> = { ...options.headers };
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array || isStream(body);
  if (!raw) headers["Content-Type"] ??= "application/json";

  const name = `${method} ${path}`;
  const started = performance.now();
  try {
    // A connection for each request: one that is kept may be closed by the service as it is used again.
    const request = http.request(new URL(path, base), {
      method,
      headers,
      agent: false,
      signal: AbortSignal.timeout(timeout),
    });
    const answered = once(request, "response") as Promise<[IncomingMessage]>;
    if (isStream(body)) Readable.fromWeb(body).pipe(request);
    else request.end(raw ? body : JSON.stringify(body));
    const [response] = await answered;
    const answer = await text(response);
    return new Answer(name, response, answer, performance.now() - started);
  } catch (error) {
    throw new Error(`${name} was not answered within ${timeout} ms: ${error}`);
  }
}

const isStream = (body: unknown): body is ReadableStream => body instanceof ReadableStream;
