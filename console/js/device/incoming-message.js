// One message that came, and the answer that is given to it.

import { button, element, field, icon, uniqueId } from "../dom.js";
import { payload, time } from "../format.js";

/** The most that a reply or a reason may hold, in bytes. */
const LONGEST_ANSWER = 4096;

export class IncomingMessage {
  element;
  #acknowledge;
  #reject;
  #attempt = element("span", { class: "muted small" });
  #text = element("input", { autocomplete: "off", spellcheck: "false" });
  #error = element("p", { class: "error", role: "alert" });
  #form;
  #buttons;

  /** `answers.acknowledge(text)` and `answers.reject(text)` say whether the answer went out. */
  constructor(frame, answers) {
    this.#acknowledge = answers.acknowledge;
    this.#reject = answers.reject;
    const errorId = uniqueId("error");
    this.#error.id = errorId;
    this.#text.setAttribute("aria-describedby", errorId);
    this.#buttons = [
      element("button", { class: "primary" }, "Acknowledge"),
      button("Reject", () => this.#answer(this.#reject, "rejected")),
    ];
    this.#form = element(
      "form",
      {
        class: "answer-form",
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.acknowledge();
        },
      },
      field("Reply, or reason to reject", this.#text),
      element("div", { class: "buttons" }, ...this.#buttons),
      this.#error,
    );
    this.element = element(
      "li",
      { class: "message incoming" },
      element(
        "p",
        { class: "message-head" },
        element("span", { class: "name" }, frame.from),
        frame.to.tag !== undefined && element("span", { class: "muted small" }, `to ${frame.to.tag}`),
        element("time", { class: "muted small", datetime: new Date(frame.sent_at).toISOString() }, time(frame.sent_at)),
        this.#attempt,
      ),
      element("pre", { class: "payload" }, content(frame)),
      this.#form,
    );
    this.repeated(frame.attempt);
  }

  repeated(attempt) {
    this.#attempt.textContent = attempt > 1 ? `attempt ${attempt}` : "";
  }

  set online(online) {
    for (const control of this.#buttons) control.disabled = !online;
  }

  acknowledge() {
    this.#answer(this.#acknowledge, "delivered", "acknowledged");
  }

  #answer(send, state, word = state) {
    const text = this.#text.value.trim();
    const fail = (why) => (this.#error.textContent = why);
    // As JSON a text is in quotes and its own quotes are escaped.
    if (new TextEncoder().encode(JSON.stringify(text)).length > LONGEST_ANSWER) {
      return fail(`The answer is longer than ${LONGEST_ANSWER} bytes`);
    }
    if (!send(text)) return fail("The device is offline");
    const hadFocus = this.#form.contains(document.activeElement);
    const answer = element(
      "p",
      { class: "answered", "data-state": state, tabindex: "-1" },
      icon(state),
      element("span", {}, word),
      text !== "" && element("code", {}, text),
    );
    this.#form.replaceWith(answer);
    if (hadFocus) answer.focus();
  }
}

function content({ payload: value, encoding, content_type }) {
  return encoding === "base64" ? `${content_type}, base64: ${value}` : payload(value);
}
