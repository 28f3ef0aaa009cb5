// The connection of a page that is in front: messages come over it, and the news that one was withdrawn.
//
// What comes is written into the records that the worker uses, too. Answers to questions go over HTTP, from wherever
// they are given; so a question that the worker has shown can be answered here.

import { connect } from "../../../clients/js/src/index.js";
import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as inbox from "../shared/inbox.js";
import { BASE } from "../shared/place.js";
import * as records from "../shared/records.js";
import { Problem } from "../shared/service.js";
import { takeDown } from "./shown.js";

/** @import { Self } from "../shared/self.js" */

export class Link {
  #own;
  #owner;
  /** @type {import("../../../clients/js/src/index.js").Device | undefined} */
  #device;

  /**
   * @param {Self} own
   * @param {object} owner
   * @param {(state: "online" | "connecting" | "offline") => void} owner.state
   * @param {(isElsewhere: boolean) => void} owner.elsewhere whether another page or program is connected as this device
   * @param {() => void} owner.refused the token is not valid any more
   */
  constructor(own, owner) {
    this.#own = own;
    this.#owner = owner;
  }

  /** Connects, unless it is. */
  use() {
    if (this.#device) return;
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
    const device = this.#device;
    this.#device = undefined;
    device?.close();
  }

  /** Sends the answers that are not sent yet, as far as that can be. */
  async flush() {
    try {
      await answers.flush(this.#own);
    } catch (failure) {
      if (failure instanceof Problem && failure.status === 401) this.#owner.refused();
    }
  }

  async #online(device) {
    if (this.#device !== device) return;
    this.#owner.state("online");
    await this.flush();
    try {
      for (const record of await records.all()) if (record.state === "open" && !record.isHeld) await inbox.hold(this.#own, record);
      for (const id of await inbox.endWithdrawn(this.#own)) await takeDown(id);
    } catch {
      // The next connection tries again.
    }
    await updateBadge();
  }

  async #receive(device) {
    try {
      for await (const message of device.messages()) await this.#take(message);
    } catch {
      // How the connection ended is told by `closed`.
    }
  }

  async #take(message) {
    const { id, from, to, sentAt, urgency, payload, type } = message;
    const text = inbox.content(payload, type, message.text);
    const record = await records.take({ id, from, to, sentAt, urgency, payload, text });
    await records.change(id, { isShown: true });
    if (record.state === "answered") {
      await answers.repeat(record);
      await this.flush();
    } else if (record.state === "open") {
      await inbox.hold(this.#own, record).catch(() => {});
    } else {
      message.ack();
    }
    await updateBadge();
  }

  async #withdrawn(id, reason) {
    await inbox.end(id, reason);
    await takeDown(id);
    await updateBadge();
  }

  #closed(device, error) {
    if (this.#device !== device) return;
    this.#device = undefined;
    this.#owner.state("offline");
    if (error?.code === "taken_over") this.#owner.elsewhere(true);
    else if (error) this.#owner.refused();
  }
}
