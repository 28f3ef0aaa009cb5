// A port for a process of its own.

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";

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

/** An address of this machine at which nothing answers that listens on 127.0.0.1 alone. */
export function otherAddress(): string {
  // Linux has all of 127.0.0.0/8.
  if (process.platform === "linux") return "127.0.0.2";
  const addresses = Object.values(networkInterfaces()).flat();
  const other = addresses.find((address) => address?.family === "IPv4" && !address.internal);
  if (!other) throw new Error("this machine has no address but 127.0.0.1");
  return other.address;
}
