// A proxy that serves a relay below a path, `/push/…`, and nothing beside it. It notes what it was asked for.

import { once } from "node:events";
import http, { type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";

import { afterAll, beforeAll } from "vitest";

const PATH = "/push";

export class Below {
  /** Every path that was asked for, and the credential it came with. */
  readonly asked: { path: string; credential: string }[] = [];
  readonly #server: Server;

  constructor(target: () => URL) {
    this.#server = http.createServer((request, response) => {
      const path = this.#note(request);
      if (path === undefined) return void response.writeHead(404).end();
      const { hostname, port } = target();
      const { method, headers } = request;
      const onward = http.request({ hostname, port, path, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      const path = this.#note(request);
      if (path === undefined) return void socket.destroy();
      const { hostname, port } = target();
      const onward = connect(Number(port), hostname, () => {
        const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, n) => request.rawHeaders.slice(2 * n, 2 * n + 2));
        onward.write(`GET ${path} HTTP/1.1\r\n${headers.map((header) => `${header.join(": ")}\r\n`).join("")}\r\n`);
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      for (const [end, other] of [[onward, socket], [socket, onward]] as const) end.on("error", () => {}).on("close", () => other.destroy());
    });
  }

  /** Where the relay is now, without a slash at its end. */
  get url(): string {
    return `${this.origin}${PATH}`;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What was asked for beside the path. */
  get astray(): string[] {
    return this.asked.filter(({ path }) => !path.startsWith(`${PATH}/`)).map(({ path }) => path);
  }

  async start(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The path for the relay, `undefined` where nothing is. */
  #note({ url = "", headers }: IncomingMessage): string | undefined {
    this.asked.push({ path: url, credential: `${headers.authorization ?? headers["sec-websocket-protocol"] ?? ""}` });
    return url.startsWith(`${PATH}/`) ? url.slice(PATH.length) : undefined;
  }
}

/** One for all tests of a file. */
export function useBelow(target: () => URL): Below {
  const below = new Below(target);
  beforeAll(() => below.start());
  afterAll(() => below.stop());
  return below;
}
