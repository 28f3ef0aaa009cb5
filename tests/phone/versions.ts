// A proxy in front of a relay that serves some of the app's files in another version, as a deploy would.

import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

import { afterAll, beforeAll } from "vitest";

import { call } from "../harness/http.ts";

export class Versions {
  readonly #relay: () => URL;
  readonly #replaced = new Map<string, string>();
  readonly #server: http.Server;

  constructor(relay: () => URL) {
    this.#relay = relay;
    this.#server = http.createServer((request, response) => {
      // Another file is never the same as before.
      const { url: path = "/", method, headers: { "if-none-match": ____, ...headers } } = request;
      const onward = http.request(new URL(path, this.#relay()), { method, headers }, (answer) => {
        const replaced = this.#replaced.get(path);
        const { "content-length": _, "content-encoding": __, etag: ___, ...others } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, replaced === undefined ? answer.headers : others);
        if (replaced === undefined) return answer.pipe(response);
        answer.resume();
        response.end(replaced);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves the relay's own version again. */
  reset(): void {
    this.#replaced.clear();
  }

  /**
   * Serves a worker of another version, which has these files and no others; and the files and the page with it, unless
   * they are held back. Returns the version.
   */
  async deploy(files: Record<string, string>, { isWhole = true } = {}): Promise<string> {
    const version = `of${Object.keys(files).length}files`;
    const hashes = Object.entries(files).map(([name, text]) => [name, `sha256-${createHash("sha256").update(text).digest("base64")}`]);
    const built = await this.#built("sw.js");
    // The build writes both into the worker.
    const worker = built.replace(/files:\[(?:\[[^\]]*\],?)*\],version:"[^"]*"/, `files:${JSON.stringify(hashes)},version:"${version}"`);
    if (worker === built) throw new Error("the worker has no version and files to replace");
    this.#replaced.clear();
    this.#replaced.set("/phone/sw.js", worker);
    this.#replaced.set("/phone/", (await this.#built("")).replace(/name="version" content="[^"]*"/, `name="version" content="${version}"`));
    if (isWhole) for (const [name, text] of Object.entries(files)) this.#replaced.set(`/phone/${name}`, text);
    return version;
  }

  async start(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #built(name: string): Promise<string> {
    return (await call(this.#relay(), "GET", `/phone/${name}`)).text;
  }
}

/** One for all tests of a file. */
export function useVersions(relay: () => URL): Versions {
  const versions = new Versions(relay);
  beforeAll(() => versions.start());
  afterAll(() => versions.stop());
  return versions;
}
