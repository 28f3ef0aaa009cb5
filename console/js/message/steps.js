// Steps on a line, in order: each with its icon, its word, and when it happened.

import { element, icon } from "../dom.js";
import { span } from "../format.js";
import { look, word } from "../states.js";

/**
 * @typedef {object} Step
 * @property {string} event
 * @property {number} [at] absent: nobody knows
 * @property {number} [attempt]
 * @property {string} [note] what a device said
 * @property {string} [detail] what else there is to say
 * @property {string} [when] the time in words; otherwise it is shown relative to the start
 */

export class Steps {
  element = element("ol", { class: "steps" });
  #startedAt;
  /** The steps that are drawn, each as text. */
  #shown = [];

  /** `startedAt`: when the service accepted the message, by its clock. */
  constructor(startedAt) {
    this.#startedAt = startedAt;
  }

  /** The last step. */
  get last() {
    return this.element.lastElementChild;
  }

  /** Draws the steps that are new. The latest progress takes the place of an earlier one. @param {Step[]} steps */
  draw(steps) {
    // An answer without a timeline has nothing to add to a trace.
    if (steps.length < this.#shown.length) return;
    const texts = steps.map((step) => JSON.stringify(step));
    const same = this.#shown.findIndex((text, at) => text !== texts[at]);
    const kept = same < 0 ? this.#shown.length : same;
    while (this.element.children.length > kept) this.last.remove();
    for (const step of steps.slice(kept)) this.element.append(this.#item(step));
    this.#shown = texts;
  }

  #item({ event, at, attempt = 0, note, detail, when }) {
    const { tone, meaning } = look(event);
    const again = event === "sent" && attempt > 1 ? ` (attempt ${attempt})` : "";
    const after = when ?? (at === undefined ? "" : `+${span(at - this.#startedAt)}`);
    return element(
      "li",
      { "data-tone": tone, title: meaning },
      icon(event),
      element("span", { class: "event" }, `${word(event)}${again}`),
      note !== undefined && element("q", { class: "note" }, note),
      detail !== undefined && element("span", { class: "note" }, detail),
      element("span", { class: "after" }, after, " "),
    );
  }
}
