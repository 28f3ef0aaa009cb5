// A site with a page that subscribes and a service worker that tells what it gets.

import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { until } from "../harness/index.ts";

const PAGE = "<!doctype html><title>Push</title>";

/** What the worker gets is told to the site: the page may be closed. */
const WORKER = `
  const tell = (what, body) => fetch("/told/" + what, { method: "POST", body });
  addEventListener("install", (event) => event.waitUntil(skipWaiting()));
  addEventListener("activate", (event) => event.waitUntil(clients.claim()));
  addEventListener("push", (event) => event.waitUntil(tell("push", event.data ? event.data.text() : "(empty)")));
  addEventListener("pushsubscriptionchange", (event) => event.waitUntil(tell("changed", "")));
`;

export class Site {
  /** What the service worker has told, in order. */
  readonly told: { what: string; body: string }[] = [];
  readonly #server = http.createServer(async (request, response) => {
    const what = /^\/told\/(\w+)$/.exec(request.url ?? "")?.[1];
    if (what) this.told.push({ what, body: await text(request) });
    const script = request.url === "/worker.js";
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
    response.end(script ? WORKER : PAGE);
  });

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** The texts of this many pushes; waits for them. */
  async pushes(count: number): Promise<string[]> {
    const bodies = async () => this.told.filter(({ what }) => what === "push").map(({ body }) => body);
    return until(`${count} pushes`, bodies, (found) => found.length >= count, 30_000);
  }

  async changed(): Promise<void> {
    const changes = async () => this.told.filter(({ what }) => what === "changed").length;
    await until("pushsubscriptionchange", changes, (found) => found > 0, 30_000);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
