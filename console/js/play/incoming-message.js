// One message that a device received, and its acknowledgement or rejection.

import { button, element, field, icon, uniqueId } from "../dom.js";
import { bytes, time, typed } from "../format.js";
import { choice, isQuestion, notificationOf } from "../notification.js";
import { WITHDRAWN } from "../states.js";
import { buttons, card } from "./question.js";

/** The reason of a question that was not answered. */
const DISMISSED = "dismissed";

/** How a connection ends. An answer that ended with it is given again when the message comes again. */
const ENDS = new Set(["closed", "unauthorized", "taken_over", ...Object.keys(WITHDRAWN)]);

export class IncomingMessage {
  element;
  /** Whether only a person answers it. */
  isQuestion;
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

  constructor(message) {
    const notification = notificationOf(message.payload);
    this.isQuestion = isQuestion(notification);
    this.#form = this.isQuestion ? this.#questionForm(notification) : this.#replyForm();
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
      notification ? card(notification, content(message)) : element("pre", { class: "payload" }, content(message)),
      this.#form,
    );
    this.again(message);
  }

  /** Whether there is nothing left to answer. */
  get isAnswered() {
    return this.#answer !== undefined || this.#isWithdrawn;
  }

  set isConnected(isConnected) {
    for (const control of this.#form.querySelectorAll("button")) control.disabled = !isConnected;
  }

  /** The message came again: the answer to it did not reach the service. */
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
    this.#give("delivered", "acknowledged", text, (message) => message.ack(text === "" ? undefined : typed(text).value));
  }

  reject() {
    const text = this.#text.value.trim();
    this.#give("rejected", "rejected", text, (message) => message.nack(text === "" ? undefined : text));
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

  #replyForm() {
    this.#text.setAttribute("aria-describedby", this.#error.id);
    const onsubmit = (event) => {
      event.preventDefault();
      this.acknowledge();
    };
    return element(
      "form",
      { class: "answer-form", novalidate: true, onsubmit },
      field("Reply, or reason to reject", this.#text),
      element(
        "div",
        { class: "buttons" },
        element("button", { class: "primary" }, "Acknowledge"),
        button("Reject", () => this.reject()),
        this.#working,
      ),
      this.#error,
    );
  }

  #questionForm(notification) {
    return buttons(notification, {
      choose: (action) => this.#give("delivered", "answered", action.label, (message) => message.ack(choice(action))),
      dismiss: () => this.#give("rejected", DISMISSED, "", (message) => message.nack(DISMISSED)),
      error: this.#error,
    });
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

  #give(state, word, text, answer) {
    this.#answer = answer;
    this.#error.textContent = "";
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
      this.#form.querySelector("input, button").focus();
    }
  }
}

/** What a message says, as text: JSON as it was written, with every digit of its numbers. */
export function content({ payload, text, type }) {
  if (typeof payload === "string") return payload;
  return text ?? `${type}, ${bytes(payload.length)}`;
}

/** What is read out of a message. */
export function spoken(message) {
  const notification = notificationOf(message.payload);
  if (!notification) return content(message);
  const { title, body } = notification;
  return body === "" ? title : `${title}. ${body}`;
}
