// A port for a process of its own.

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that the system gives out by itself (`net.ipv4.ip_local_port_range`). */
const FIRST = 20_000;
const COUNT = 12_000;
const ATTEMPTS = 100;

/**
 * A port that nothing listens on. The system does not give it to a listener or a connection that takes any port, so
 * nobody else has it before the process does, or while the process is down.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    // By chance, since other tests look for theirs at the same time.
    const port = FIRST + randomInt(COUNT);
    try {
      const server = createServer().listen(port, "127.0.0.1");
      await once(server, "listening");
      server.close();
      await once(server, "close");
      return port;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
