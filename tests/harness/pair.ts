// The neighbours of mailboxes that fail: they must not notice. And which mailboxes have failed.

import { setTimeout as sleep } from "node:timers/promises";

import type { Device } from "./device.ts";
import type { Relay } from "./relay.ts";
import type { Socket } from "./socket.ts";

/** A sender that publishes to a receiver, one message after the other, until it is told to stop. */
export class Pair {
  /** Answers other than that of a message that was delivered. */
  readonly wrong: string[] = [];
  delivered = 0;
  readonly #sockets: Socket[];
  readonly #running: Promise<void>;
  #stopped = false;

  private constructor(sender: Device, receiver: Device, sockets: Socket[]) {
    this.#sockets = sockets;
    this.#running = this.#run(sender, receiver);
  }

  static async start(sender: Device, receiver: Device): Promise<Pair> {
    const sockets = [await sender.connect(), await receiver.connect()];
    sockets[1]!.answer();
    return new Pair(sender, receiver, sockets);
  }

  /** The sockets that were closed meanwhile. */
  get closed(): number {
    return this.#sockets.filter(({ isOpen }) => !isOpen).length;
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#running;
  }

  async #run(sender: Device, receiver: Device): Promise<void> {
    while (!this.#stopped) {
      const answer = await sender.publish({ device: receiver.name }, "x", { wait: 10 });
      if (answer.status === 200 && answer.json.summary.delivered === 1) this.delivered += 1;
      else this.wrong.push(`${answer}`);
      await sleep(20);
    }
  }
}

/** The mailboxes that have ended because their store was full, and in which of their events, by the log. */
export function ended(relay: Relay): { device: string; in: string }[] {
  const lines = relay.logs.filter(({ message }) => message.includes('"mailbox_ended"')).map(({ message }) => JSON.parse(message));
  return lines.filter(({ cause }) => cause.includes("database or disk is full"));
}
