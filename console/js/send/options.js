// The options of a publish: a header for each that was filled in. The service checks the values.

import { isSendable } from "../api.js";
import { element, field, numberInput, select, textInput } from "../dom.js";

const URGENCIES = ["very-low", "low", "normal", "high"];

export class Options {
  element;
  /** By header, in the order in which they are shown. `read` turns a control's value into the header's. */
  #fields = {
    ttl: { label: "Time to live in seconds", control: numberInput("86400") },
    topic: { label: "Topic", control: textInput() },
    urgency: { label: "Urgency", control: select(URGENCIES.map((value) => [value, value])) },
    echo: { label: "Send it back to me, too", control: select([["no", "false"], ["yes", "true"]]) },
    "acks-needed": { label: "Acknowledgements needed", control: numberInput("all") },
    delay: { label: "Delay in seconds", control: numberInput("0") },
    "deliver-at": { label: "Deliver at", control: date(), isWide: true, read: (value) => `${Date.parse(value)}` },
    escalate: { label: "Escalate to", control: textInput("managers;after=60, @boss;after=300"), isWide: true },
  };

  constructor() {
    this.#fields.urgency.control.value = "normal";
    const fields = Object.values(this.#fields).map(({ label, control, isWide }) => field(label, control, { class: isWide ? "field wide" : "field" }));
    this.element = element(
      "details",
      {},
      element("summary", {}, "Options"),
      element("div", { class: "options" }, ...fields),
    );
  }

  /** The headers; or the `fault` of a value that cannot be sent, and the `control` that it is in. */
  read() {
    const headers = {};
    for (const [name, { label, control, read = (value) => value }] of Object.entries(this.#fields)) {
      if (control.validity.badInput) return this.#fault(`${label} is incomplete`, control);
      const value = control.value.trim();
      if (!isSendable(value)) return this.#fault(`${label} may contain only ASCII characters`, control);
      if (value) headers[name] = read(value);
    }
    return { headers };
  }

  #fault(fault, control) {
    // What is closed cannot have the focus.
    this.element.open = true;
    return { fault, control };
  }
}

/** A local time, to the second. */
function date() {
  return element("input", { type: "datetime-local", step: "1" });
}
