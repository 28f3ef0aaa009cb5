// The connection of a page that is in front: messages come over it, and the news that one was withdrawn.
//
// What comes is written into the records that the worker uses, too. Answers to questions go over HTTP, from wherever
// they are given; so a question that the worker has shown can be answered here. What could not be sent is tried again
// as long as the page is in front, and afterwards by the worker.

import { Backoff } from "../../../clients/js/src/backoff.js";
import { connect } from "../../../clients/js/src/index.js";
import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as inbox from "../shared/inbox.js";
import { BASE } from "../shared/place.js";
import * as records from "../shared/records.js";
import { isRefusal } from "../shared/service.js";
import { whenOnline } from "../shared/sync.js";
import { takeDown } from "./shown.js";

/** Milliseconds until it connects again after a message could not be written down. */
const PAUSE = 2_000;

/** @import { Self } from "../shared/self.js" */

export class Link {
  #own;
  #registration;
  #owner;
  /** @type {import("../../../clients/js/src/index.js").Device | undefined} */
  #device;
  /** Counts the attempts to send what waits. */
  #backoff = new Backoff();
  /** The next attempt to send. */
  #sending;
  /** The next attempt to connect, after a failure of this phone itself. */
  #connecting;

  /**
   * @param {Self} own
   * @param {Promise<ServiceWorkerRegistration | undefined>} registration
   * @param {object} owner
   * @param {(state: "online" | "connecting" | "offline") => void} owner.state
   * @param {(isElsewhere: boolean) => void} owner.elsewhere whether another page or program is connected as this device
   * @param {() => void} owner.refused the token is not valid any more
   */
  constructor(own, registration, owner) {
    this.#own = own;
    this.#registration = registration;
    this.#owner = owner;
  }

  /** Connects, unless it is. */
  use() {
    if (this.#device) return;
    clearTimeout(this.#connecting);
    this.#owner.elsewhere(false);
    this.#owner.state("connecting");
    const device = connect({ url: BASE, token: this.#own.token });
    this.#device = device;
    device.addEventListener("online", () => this.#online(device));
    device.addEventListener("offline", () => this.#device === device && this.#owner.state("offline"));
    device.addEventListener("withdrawn", ({ id, reason }) => this.#withdrawn(id, reason));
    device.addEventListener("closed", ({ error }) => this.#closed(device, error));
    this.#receive(device);
  }

  stop() {
    clearTimeout(this.#connecting);
    clearTimeout(this.#sending);
    const device = this.#device;
    this.#device = undefined;
    device?.close();
  }

  /** Sends the answers that are not sent yet, and holds the questions that are not held; later, if it cannot be now. */
  async send() {
    clearTimeout(this.#sending);
    try {
      await answers.flush(this.#own);
      await inbox.holdOpen(this.#own);
      this.#backoff.reset();
    } catch (failure) {
      if (isRefusal(failure)) this.#owner.refused();
      else await this.#sendLater();
    }
  }

  async #sendLater() {
    clearTimeout(this.#sending);
    if (this.#device) this.#sending = setTimeout(() => this.send(), this.#backoff.next());
    await whenOnline(await this.#registration);
  }

  async #online(device) {
    if (this.#device !== device) return;
    this.#owner.state("online");
    await this.send();
    try {
      for (const id of await inbox.endWithdrawn(this.#own)) await takeDown(id);
      await updateBadge();
    } catch {
      // The next connection tries again.
    }
  }

  async #receive(device) {
    try {
      for await (const message of device.messages()) await this.#take(device, message);
    } catch (error) {
      // How a connection ended is told by `closed`.
      if (this.#device === device) this.#startOver(error);
    }
  }

  /** A message could not be written down. It comes again over the next connection. */
  #startOver(error) {
    console.error("a message was not stored:", error);
    this.stop();
    this.#owner.state("offline");
    this.#connecting = setTimeout(() => this.use(), PAUSE);
  }

  async #take(device, message) {
    const { id, from, to, sentAt, urgency, payload, type } = message;
    const record = await records.take({ id, from, to, sentAt, urgency, payload, ...inbox.content(payload, type, message.text) });
    // Nobody can have seen it: it comes again, to whoever fetches it next.
    if (this.#device !== device || document.visibilityState !== "visible") return;
    await records.change(id, { isShown: true });
    if (record.state === "answered") {
      await answers.repeat(record);
      await this.send();
    } else if (record.state === "open") {
      await inbox.hold(this.#own, record).catch(() => this.#sendLater());
    } else {
      message.ack();
    }
    await updateBadge();
  }

  async #withdrawn(id, reason) {
    try {
      await inbox.end(id, reason);
      await takeDown(id);
      await updateBadge();
    } catch (error) {
      console.error("a withdrawn question was not taken down:", error);
    }
  }

  #closed(device, error) {
    if (this.#device !== device) return;
    this.#device = undefined;
    this.#owner.state("offline");
    if (error?.code === "taken_over") this.#owner.elsewhere(true);
    else if (error) this.#owner.refused();
  }
}
