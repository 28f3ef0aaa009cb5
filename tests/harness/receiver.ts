// The address of a webhook: an HTTP server that verifies every request with the official library of Standard Webhooks,
// and answers as it is told.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

import { Webhook } from "standardwebhooks";

import { until } from "./until.ts";

/** A request that came. */
export interface Posted {
  id: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Which of the secrets that the receiver has verify it. */
  verifiedBy: string[];
  /** How many requests were under way when it came, with it. */
  atOnce: number;
}

/** What the receiver does about a request. Without one, it answers 200 with `{"got":…}`, the body, if that is JSON. */
export type Behaviour = (posted: Posted, response: ServerResponse, request: IncomingMessage) => unknown;

export class Receiver {
  /** Everything that came, in order. */
  readonly posted: Posted[] = [];
  /** The secrets that it verifies with. */
  secrets: string[] = [];
  behave: Behaviour = echo;
  readonly #server = createServer((request, response) => void this.#receive(request, response));
  #open = 0;

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook?key=secret`;
  }

  /** Waits until so many requests have come. */
  came(count: number, timeout?: number): Promise<Posted[]> {
    return until(`${count} requests`, async () => this.posted, ({ length }) => length >= count, timeout);
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open += 1;
    response.once("close", () => (this.#open -= 1));
    const body = await buffer(request);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, `${value}`]));
    const verifiedBy = this.secrets.filter((secret) => verifies(secret, body, headers));
    const posted = { id: headers["webhook-id"] ?? "", headers, body, verifiedBy, atOnce: this.#open };
    this.posted.push(posted);
    await this.behave(posted, response, request);
  }
}

const echo: Behaviour = ({ body }, response) => {
  response.setHeader("content-type", "application/json");
  response.end(`{"got":${body}}`);
};

/** An answer of this status, and perhaps a body and headers. */
export const answers = (status: number, body = "", headers: Record<string, string> = {}): Behaviour => (_, response) => {
  response.writeHead(status, headers);
  response.end(body);
};

function verifies(secret: string, body: Buffer, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}
