// A network between a client and the relay that the test can break: TCP, passed on byte by byte.

import { once } from "node:events";
import { createServer, connect as dial, type AddressInfo, type Server, type Socket } from "node:net";

interface Line {
  client: Socket;
  service: Socket;
}

export class Network {
  /** How many connections were ever made over it. */
  connections = 0;
  /** How many of them began with the handshake of a WebSocket. */
  handshakes = 0;
  readonly #server: Server;
  readonly #lines = new Set<Line>();
  readonly #stalled = new Set<Socket>();
  #isDown = false;
  #isStalled = false;

  private constructor(server: Server, target: () => URL) {
    this.#server = server;
    server.on("connection", (client) => {
      this.connections += 1;
      client.on("error", () => {});
      client.once("data", (data) => (this.handshakes += Number(data.includes("/v1/connect "))));
      if (this.#isDown) return void client.destroy();
      if (this.#isStalled) return void this.#stalled.add(client.resume());
      const line = { client, service: dial(Number(target().port), target().hostname) };
      line.service.on("error", () => {});
      this.#lines.add(line);
      client.on("data", (data) => line.service.write(data)).on("close", () => this.#drop(line));
      line.service.on("data", (data) => client.write(data)).on("close", () => this.#drop(line));
    });
  }

  /** A network to wherever `target` says at the time of a connection. */
  static async to(target: () => URL): Promise<Network> {
    const server = createServer();
    const network = new Network(server, target);
    await once(server.listen(0, "127.0.0.1"), "listening");
    return network;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  /** Breaks all connections; new ones can be made. */
  cut(): void {
    for (const line of this.#lines) this.#drop(line);
    for (const client of this.#stalled) client.destroy();
    this.#stalled.clear();
  }

  /** Breaks all connections and every new one, until it is up again. */
  down(): void {
    this.#isDown = true;
    this.cut();
  }

  /** Freezes all connections and every new one, which is taken and never answered, until it is up again. */
  stall(): void {
    this.#isStalled = true;
    this.freeze();
  }

  up(): void {
    this.#isDown = this.#isStalled = false;
  }

  /** Swallows what the clients of the present connections say from now on. */
  mute(): void {
    for (const { client } of this.#lines) client.removeAllListeners("data").resume();
  }

  /** Swallows what both sides of the present connections say from now on, and closes nothing. */
  freeze(): void {
    this.mute();
    for (const { service } of this.#lines) service.removeAllListeners("data").resume();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #drop(line: Line): void {
    this.#lines.delete(line);
    line.client.destroy();
    line.service.destroy();
  }
}
