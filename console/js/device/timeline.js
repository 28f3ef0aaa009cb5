// One delivery: a step for each event, in order, and a clock until the terminal state.

import { element, icon } from "../dom.js";
import { payload, span, time } from "../format.js";
import { chosen } from "../notification.js";
import { isOpen, look, word } from "../states.js";

export class Timeline {
  element;
  #startedAt;
  #notification;
  #steps = element("ol", { class: "steps" });
  #clock = element("span", { class: "clock", "aria-hidden": "true" });
  #answer = element("p", { class: "answer" });
  #receipt = element("span", { class: "receipt" }, "receipt received");
  #state = "";
  /** The steps that are drawn, each as text. The latest progress takes the place of an earlier one. */
  #shown = [];

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
    this.#draw(events);
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

  /** Draws the steps that are new. The first step is the acceptance. */
  #draw(events) {
    if (events.length < this.#shown.length) return;
    const texts = events.map((event) => JSON.stringify(event));
    const same = this.#shown.findIndex((text, at) => text !== texts[at]);
    const kept = same < 0 ? this.#shown.length : same;
    while (this.#steps.children.length > kept + 1) this.#steps.lastElementChild.remove();
    for (const event of events.slice(kept)) this.#append(event);
    this.#shown = texts;
  }

  #says(what, text) {
    if (this.#answer.querySelector(`.${what}`)) return;
    this.#answer.prepend(element("span", { class: what }, `${what}: `, element("code", {}, text)));
  }

  #append({ event, at, attempt, note }) {
    const { tone, meaning } = look(event);
    const again = event === "sent" && attempt > 1 ? ` (attempt ${attempt})` : "";
    const after = event === "accepted" ? time(at) : `+${span(at - this.#startedAt)}`;
    this.#steps.append(
      element(
        "li",
        { "data-tone": tone, title: meaning },
        icon(event),
        element("span", { class: "event" }, `${word(event)}${again}`),
        note !== undefined && element("q", { class: "note" }, note),
        element("span", { class: "after" }, after, " "),
      ),
    );
  }
}
