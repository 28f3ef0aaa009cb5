// Messages that a device received, to be acknowledged by hand or automatically.

import { announce } from "../announce.js";
import { element } from "../dom.js";
import { beginning } from "../format.js";
import { IncomingMessage, spoken } from "./incoming-message.js";

/** How many answered messages are kept in sight. */
const SHOWN = 20;
/** How much of a message is read out, in units of a string. */
const READ_OUT = 100;

export class Inbox {
  element;
  #list = element("ol", { class: "cards" });
  #none = element("p", { class: "muted none" }, "Nothing received yet.");
  #automatic = element("input", { type: "checkbox" });
  /** By id, oldest first. */
  #messages = new Map();

  constructor() {
    this.element = element(
      "section",
      {},
      element(
        "div",
        { class: "section-head" },
        element("h3", {}, "Received"),
        element("label", { class: "check" }, this.#automatic, " Acknowledge automatically"),
      ),
      this.#none,
      this.#list,
    );
    this.#automatic.addEventListener("change", () => this.#catchUp());
  }

  /** Takes in a message, or one again that came before this device was taken offline. */
  take(message) {
    const known = this.#messages.get(message.id);
    if (known) {
      known.again(message);
    } else {
      const incoming = new IncomingMessage(message);
      this.#messages.set(message.id, incoming);
      this.#list.prepend(incoming.element);
      this.#none.hidden = true;
      announce(`${incoming.isQuestion ? "Question" : "Message"} from ${message.from}: ${beginning(spoken(message), READ_OUT)}`);
      this.#tidy();
    }
    this.#catchUp();
  }

  /** Nothing can be answered while the device is taken offline. */
  set isConnected(isConnected) {
    this.#messages.forEach((message) => (message.isConnected = isConnected));
  }

  /** A question is left to a person. */
  #catchUp() {
    if (!this.#automatic.checked) return;
    for (const message of this.#messages.values()) {
      if (!message.isAnswered && !message.isQuestion) message.acknowledge();
    }
  }

  #tidy() {
    const answered = [...this.#messages].filter(([, { isAnswered }]) => isAnswered);
    for (const [id, message] of answered.slice(0, Math.max(0, answered.length - SHOWN))) {
      message.element.remove();
      this.#messages.delete(id);
    }
  }
}
