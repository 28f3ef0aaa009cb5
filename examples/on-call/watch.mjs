// Watching an address, and alerting people: used by monitor.mjs and demo.mjs.

import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "../../clients/js/src/index.js";

/** Seconds for which an alert is of use. An address that does not answer by then is a new alert. */
const TTL = 1800;
/** Milliseconds that the address has to answer. */
const CHECK_TIMEOUT = 5000;

const TAKE = { id: "take", label: "I'll do it" };

const say = (text, at = Date.now()) => console.log(`${new Date(at).toLocaleTimeString("en-GB")} ${text}`);

/**
 * Watches an address as the device of a token, forever.
 *
 * @param {{ url: string | URL, token: string, address: string, every: number, escalateAfter: number }} options `every`:
 * seconds between two checks; `escalateAfter`: seconds until the managers' devices ring, too
 */
export async function watch({ url, token, address, every, escalateAfter }) {
  if (!(every > 0 && escalateAfter > 0)) throw new TypeError("CHECK_EVERY and ESCALATE_AFTER have to be seconds");
  const device = connect({ url, token });
  const monitor = new Monitor(device, address, escalateAfter);
  device.addEventListener("receipt", ({ receipt }) => monitor.receipt(receipt));
  device.addEventListener("offline", ({ reason }) => console.error(`offline: ${reason}`));
  device.addEventListener("closed", ({ reason }) => {
    // The token is no longer valid, or another monitor has taken over.
    console.error(`closed: ${reason}`);
    process.exit(1);
  });
  say(`watching ${address}`);
  for (;;) {
    await monitor.check();
    await sleep(1000 * every);
  }
}

class Monitor {
  #device;
  #address;
  #escalateAfter;
  /** The latest alert, until the address answers again. */
  #alert;

  constructor(device, address, escalateAfter) {
    this.#device = device;
    this.#address = address;
    this.#escalateAfter = escalateAfter;
  }

  async check() {
    const fault = await faultOf(this.#address);
    try {
      if (fault === undefined) await this.#recovered();
      else if (!this.#alert || this.#isOver(this.#alert)) await this.#raise(fault);
    } catch (error) {
      // Nobody is on call, for example. The next check tries again.
      console.error(error.message);
    }
  }

  /** A delivery has ended: somebody has taken the alert or dismissed it, or it was not needed any more. */
  receipt({ id, device, state, at, reply, reason }) {
    if (id !== this.#alert?.id) return;
    if (state === "delivered") {
      this.#alert.taken = true;
      // The reply comes from the device, so it may be anything.
      say(reply?.action === TAKE.id ? `${device} took it` : `${device} has it, and did not say who takes it`, at);
    } else if (state !== "cancelled") {
      say(`${device}: ${reason ?? state}`, at);
    }
  }

  async #raise(fault) {
    const alert = { title: "A service does not answer", body: `${this.#address}\n${fault}`, actions: [TAKE] };
    const { id, deliveries } = await this.#device.publish("on-call", alert, {
      ttl: TTL,
      urgency: "high",
      acksNeeded: 1,
      escalate: [{ to: "managers", after: this.#escalateAfter }],
      // The answer of a person comes as a receipt.
      wait: 0,
    });
    this.#alert = { id, expiresAt: performance.now() + 1000 * TTL };
    say(`${fault}: ${deliveries.map(({ device }) => device).join(" and ")} ringing, managers in ${this.#escalateAfter} s`);
  }

  async #recovered() {
    if (!this.#alert) return;
    const { id, taken } = this.#alert;
    // What nobody has taken is not needed any more.
    if (!taken) await this.#device.cancel(id);
    this.#alert = undefined;
    say("it answers again");
  }

  #isOver({ taken, expiresAt }) {
    return !taken && performance.now() > expiresAt;
  }
}

/** Why the address is not well; `undefined` if it is. */
async function faultOf(address) {
  try {
    const response = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(CHECK_TIMEOUT) });
    await response.body?.cancel();
    return response.status < 400 ? undefined : `it answers ${response.status}`;
  } catch (error) {
    return error.cause?.code ?? error.message;
  }
}
