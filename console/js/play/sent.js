// The messages that a device sent: receipts show their terminal states, traces the steps in between.

import { announce } from "../announce.js";
import { element } from "../dom.js";
import { SentMessage } from "./sent-message.js";

/** How many messages are kept in sight; so many are looked up when the device is opened. */
const SHOWN = 10;

export class Sent {
  element;
  #api;
  /** Done once the earlier messages are there, or were not answered. */
  #started = Promise.resolve();
  #list = element("ol", { class: "cards" });
  #none = element("p", { class: "muted none" }, "Nothing sent yet.");
  /** By id. The ids of one sender grow. */
  #messages = new Map();
  #clock = setInterval(() => this.#messages.forEach((message) => message.tick()), 1000);

  constructor(api) {
    this.#api = api;
    this.element = element("section", {}, element("h3", {}, "Sent"), this.#none, this.#list);
  }

  start() {
    this.#started = this.#lookUp();
  }

  /** Shows a message whose publish was answered. */
  add(answer, text) {
    this.#card(answer, text);
  }

  /** Takes in a receipt; done once it is shown. */
  async receipt({ id, device, state }) {
    announce(`${device ?? "nobody"}: ${state}`);
    await this.#started;
    // There may be a thousand of messages that are out of sight.
    if (this.#isOutOfSight(id)) return;
    try {
      const message = this.#messages.get(id) ?? this.#card(await this.#api.get(`v1/messages/${id}`));
      message.receipt(device);
    } catch (error) {
      // Of a message whose trace is gone there is nothing to show.
      if (error.status !== 404) throw error;
    }
  }

  stop() {
    clearInterval(this.#clock);
    this.#messages.forEach((message) => message.stop());
  }

  async #lookUp() {
    const answer = await this.#api.get(`v1/messages?limit=${SHOWN}`).catch(() => undefined);
    for (const message of answer?.messages.reverse() ?? []) this.#card(message);
  }

  /** Whether all messages in sight are newer than this one, and there is no place for more. */
  #isOutOfSight(id) {
    return this.#messages.size >= SHOWN && [...this.#messages.keys()].every((shown) => shown > id);
  }

  #card(answer, text) {
    const known = this.#messages.get(answer.id);
    if (known) return known;
    const message = new SentMessage(this.#api, answer, text);
    this.#messages.set(answer.id, message);
    const ids = [...this.#messages.keys()].sort();
    // The newest first: a receipt may be of an earlier message than those in sight.
    const earlier = this.#messages.get(ids[ids.indexOf(answer.id) - 1]);
    this.#list.insertBefore(message.element, earlier?.element ?? null);
    this.#none.hidden = true;
    if (ids.length > SHOWN) {
      const [oldest] = ids;
      this.#messages.get(oldest).stop();
      this.#messages.get(oldest).element.remove();
      this.#messages.delete(oldest);
    }
    return message;
  }
}
