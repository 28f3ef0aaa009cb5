// One delivery: a step for each event, in order, and a clock until the terminal state.

import { element, icon } from "../dom.js";
import { payload, span, time } from "../format.js";
import { chosen } from "../notification.js";
import { isOpen, look } from "../states.js";

export class Timeline {
  element;
  #startedAt;
  #notification;
  #steps = element("ol", { class: "steps" });
  #clock = element("span", { class: "clock", "aria-hidden": "true" });
  #answer = element("p", { class: "answer" });
  #receipt = element("span", { class: "receipt" }, "receipt received");
  #state = "";
  #shown = 0;

  /** `startedAt`: when the relay accepted the message, by its clock; step times are relative to it. `notification`: what the message is, if it is one. */
  constructor(device, startedAt, notification) {
    this.#startedAt = startedAt;
    this.#notification = notification;
    this.element = element(
      "li",
      { class: "delivery" },
      element("span", { class: "name" }, device),
      this.#steps,
      this.#answer,
    );
    this.#append({ event: "accepted", at: startedAt, attempt: 0 });
  }

  get isOpen() {
    return this.#state === "" || isOpen(this.#state);
  }

  /** Draws the new events and the state of the delivery. Returns whether the state has changed. */
  update(delivery, events) {
    // An answer that a newer one overtook has nothing to add.
    if (!this.isOpen && isOpen(delivery.state)) return false;
    for (const event of events.slice(this.#shown)) this.#append(event);
    this.#shown = Math.max(this.#shown, events.length);
    const changed = delivery.state !== this.#state;
    this.#state = delivery.state;
    this.element.dataset.state = delivery.state;
    this.element.dataset.tone = look(delivery.state).tone;
    const { reply, reason } = delivery;
    if (reply !== undefined) this.#says("reply", chosen(reply, this.#notification) ?? payload(reply));
    if (reason !== undefined) this.#says("reason", reason);
    if (this.isOpen) this.#steps.lastElementChild.append(this.#clock);
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

  #append({ event, at, attempt }) {
    const { tone, meaning } = look(event);
    const again = event === "sent" && attempt > 1 ? ` (attempt ${attempt})` : "";
    const after = event === "accepted" ? time(at) : `+${span(at - this.#startedAt)}`;
    this.#steps.append(
      element(
        "li",
        { "data-tone": tone, title: meaning },
        icon(event),
        element("span", { class: "event" }, `${event}${again}`),
        element("span", { class: "after" }, after, " "),
      ),
    );
  }
}
