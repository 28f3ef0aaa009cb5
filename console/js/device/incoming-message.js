// One message that a device received, and its acknowledgement or rejection.

import { button, element, field, icon, uniqueId } from "../dom.js";
import { bytes, time, typed } from "../format.js";
import { WITHDRAWN } from "../states.js";

/** How a connection ends. An answer that ended with it is given again when the message comes again. */
const ENDS = new Set(["closed", "unauthorized", "taken_over", ...Object.keys(WITHDRAWN)]);

export class IncomingMessage {
  element;
  /** The library's message: of a device that was taken offline and came back, the one that came last. */
  #message;
  /** Gives the answer, once there is one. */
  #answer;
  /** What is shown in place of the form once there is one. */
  #answered;
  #attempt = element("span", { class: "muted small" });
  #text = element("input", { autocomplete: "off", spellcheck: "false" });
  #error = element("p", { class: "error", role: "alert", id: uniqueId("error") });
  #form;
  #isWithdrawn = false;
  #working = button("Work on it", () => this.work());
  #buttons = [
    element("button", { class: "primary" }, "Acknowledge"),
    button("Reject", () => this.reject()),
    this.#working,
  ];

  constructor(message) {
    this.#text.setAttribute("aria-describedby", this.#error.id);
    const onsubmit = (event) => {
      event.preventDefault();
      this.acknowledge();
    };
    this.#form = element(
      "form",
      { class: "answer-form", novalidate: true, onsubmit },
      field("Reply, or reason to reject", this.#text),
      element("div", { class: "buttons" }, ...this.#buttons),
      this.#error,
    );
    const { from, to, sentAt } = message;
    this.element = element(
      "li",
      { class: "message incoming" },
      element(
        "p",
        { class: "message-head" },
        element("span", { class: "name" }, from),
        to.device === undefined && element("span", { class: "muted small" }, `to ${to.match ?? to.tag}`),
        element("time", { class: "muted small", datetime: new Date(sentAt).toISOString() }, time(sentAt)),
        this.#attempt,
      ),
      element("pre", { class: "payload" }, content(message)),
      this.#form,
    );
    this.again(message);
  }

  /** Whether there is nothing to answer any more. */
  get isAnswered() {
    return this.#answer !== undefined || this.#isWithdrawn;
  }

  set isConnected(isConnected) {
    for (const control of this.#buttons) control.disabled = !isConnected;
  }

  /** The message came again: the answer to it did not reach the relay. */
  again(message) {
    this.#message = message;
    // A withdrawn message that comes again is open again.
    if (this.#isWithdrawn) this.#answered.replaceWith(this.#form);
    this.#isWithdrawn = false;
    message.signal.addEventListener("abort", () => this.#withdrawn(message));
    this.#attempt.textContent = message.attempt > 1 ? `attempt ${message.attempt}` : "";
    if (this.#answer) this.#deliver();
  }

  acknowledge() {
    const text = this.#text.value.trim();
    this.#give("delivered", "acknowledged", (message) => message.ack(text === "" ? undefined : typed(text).value));
  }

  reject() {
    const text = this.#text.value.trim();
    this.#give("rejected", "rejected", (message) => message.nack(text === "" ? undefined : text));
  }

  /** Tells the sender that somebody works on it, until it is answered. */
  work() {
    const note = this.#text.value.trim();
    this.#error.textContent = "";
    try {
      this.#message.progress({ note: note === "" ? undefined : note });
      this.#message.working({ note: note === "" ? undefined : note });
      this.#working.textContent = "Working on it";
      this.#text.value = "";
    } catch (failure) {
      this.#error.textContent = failure.message;
    }
  }

  /** It has ended without an answer of this device. */
  #withdrawn({ signal }) {
    if (this.#answer) return;
    this.#isWithdrawn = true;
    const { code } = signal.reason;
    const hadFocus = this.#form.contains(document.activeElement);
    this.#answered = element(
      "p",
      { class: "answered", "data-state": "withdrawn", tabindex: "-1" },
      icon("cancelled"),
      element("span", {}, WITHDRAWN[code] ?? code),
    );
    this.#form.replaceWith(this.#answered);
    if (hadFocus) this.#answered.focus();
  }

  #give(state, word, answer) {
    this.#answer = answer;
    this.#error.textContent = "";
    const text = this.#text.value.trim();
    const hadFocus = this.#form.contains(document.activeElement);
    this.#answered = element(
      "p",
      { class: "answered", "data-state": state, tabindex: "-1" },
      icon(state),
      element("span", {}, word),
      text !== "" && element("code", {}, text),
    );
    this.#form.replaceWith(this.#answered);
    if (hadFocus) this.#answered.focus();
    this.#deliver();
  }

  /** Gives the answer; one that is not taken is to be corrected. */
  async #deliver() {
    try {
      await this.#answer(this.#message);
    } catch (failure) {
      if (ENDS.has(failure.code)) return;
      this.#answer = undefined;
      this.#error.textContent = failure.message;
      this.#answered.replaceWith(this.#form);
      this.#text.focus();
    }
  }
}

/** What a message says, as text: JSON as it was written, with every digit of its numbers. */
export function content({ payload, text, type }) {
  if (typeof payload === "string") return payload;
  return text ?? `${type}, ${bytes(payload.length)}`;
}
