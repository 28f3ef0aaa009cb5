// One delivery: a step for each event, in order, and a clock until the terminal state.

import { element } from "../dom.js";
import { payload, span, time } from "../format.js";
import { chosen } from "../notification.js";
import { isOpen, look } from "../states.js";
import { Steps } from "./steps.js";

export class Timeline {
  element;
  #startedAt;
  #notification;
  #steps;
  #clock = element("span", { class: "clock", "aria-hidden": "true" });
  #answer = element("p", { class: "answer" });
  #receipt = element("span", { class: "receipt" }, "receipt received");
  #state = "";

  /**
   * `startedAt`: when the service accepted the message, by its clock; step times are relative to it. `notification`:
   * what the message is, if it is one. `href`: the address of the device's page, if its name leads there.
   */
  constructor(device, startedAt, notification, href) {
    this.#startedAt = startedAt;
    this.#notification = notification;
    this.#steps = new Steps(startedAt);
    this.element = element(
      "li",
      { class: "delivery" },
      element(href ? "a" : "span", { class: "name", href }, device),
      this.#steps.element,
      this.#answer,
    );
  }

  get isOpen() {
    return this.#state === "" || isOpen(this.#state);
  }

  /** Draws the new events and the state of the delivery. Returns whether the state has changed. */
  update(delivery, events) {
    // An answer that a newer one overtook has nothing to add.
    if (!this.isOpen && isOpen(delivery.state)) return false;
    this.#steps.draw([{ event: "accepted", when: time(this.#startedAt) }, ...events]);
    const changed = delivery.state !== this.#state;
    this.#state = delivery.state;
    this.element.dataset.state = delivery.state;
    this.element.dataset.tone = look(delivery.state).tone;
    const { reply, reason } = delivery;
    if (reply !== undefined) this.#says("reply", chosen(reply, this.#notification) ?? payload(reply));
    if (reason !== undefined) this.#says("reason", reason);
    if (this.isOpen) this.#steps.last.append(this.#clock);
    else this.#clock.remove();
    this.tick();
    return changed;
  }

  /** Says that the terminal state came as a receipt; one may come more than once. */
  receipt() {
    if (this.#receipt.isConnected) return;
    this.#answer.append(this.#receipt);
  }

  tick() {
    if (this.isOpen) this.#clock.textContent = `… ${span(Date.now() - this.#startedAt)}`;
  }

  #says(what, text) {
    if (this.#answer.querySelector(`.${what}`)) return;
    this.#answer.prepend(element("span", { class: what }, `${what}: `, element("code", {}, text)));
  }
}
