// Messages that came for a device, to be answered by hand or at once.

import { announce } from "../announce.js";
import { element } from "../dom.js";
import { payload, typed } from "../format.js";
import { IncomingMessage } from "./incoming-message.js";

/** How many answered messages are kept in sight, and how many ids of earlier ones in mind. */
const SHOWN = 20;
const REMEMBERED = 1024;

export class Inbox {
  element;
  #send;
  #list = element("ol", { class: "cards" });
  #none = element("p", { class: "muted none" }, "Nothing received yet.");
  #automatic = element("input", { type: "checkbox" });
  /** Messages in sight, by id, oldest first. */
  #messages = new Map();
  /** The frames that answered messages, by id: a repeat is answered again in the same way. */
  #answers = new Map();

  /** `send(frame)` gives a frame to the connection and says whether it could take it. */
  constructor(send) {
    this.#send = send;
    this.element = element(
      "section",
      {},
      element(
        "div",
        { class: "section-head" },
        element("h3", {}, "Received"),
        element("label", { class: "check" }, this.#automatic, " Acknowledge at once"),
      ),
      this.#none,
      this.#list,
    );
    this.#automatic.addEventListener("change", () => this.#catchUp());
  }

  /** Takes in a message, or a repeat of one. */
  take(frame) {
    const answer = this.#answers.get(frame.id);
    if (answer) {
      this.#send(answer);
      return;
    }
    const known = this.#messages.get(frame.id);
    if (known) {
      known.repeated(frame.attempt);
      return;
    }
    const message = new IncomingMessage(frame, {
      acknowledge: (text) => this.#answer(frame.id, { type: "ack", id: frame.id, ...(text && { reply: typed(text).value }) }),
      reject: (text) => this.#answer(frame.id, { type: "nack", id: frame.id, ...(text && { reason: text }) }),
    });
    this.#messages.set(frame.id, message);
    this.#list.prepend(message.element);
    this.#none.hidden = true;
    announce(`Message from ${frame.from}: ${payload(frame.payload).slice(0, 100)}`);
    this.#catchUp();
  }

  /** Answers can be given only while there is a connection. */
  set online(online) {
    this.#messages.forEach((message) => (message.online = online));
    if (online) this.#catchUp();
  }

  #catchUp() {
    if (!this.#automatic.checked) return;
    for (const [id, message] of this.#messages) {
      if (!this.#answers.has(id)) message.acknowledge();
    }
  }

  #answer(id, frame) {
    if (!this.#send(frame)) return false;
    this.#answers.set(id, frame);
    if (this.#answers.size > REMEMBERED) this.#answers.delete(this.#answers.keys().next().value);
    const answered = [...this.#messages.keys()].filter((other) => this.#answers.has(other));
    for (const old of answered.slice(0, Math.max(0, answered.length - SHOWN))) {
      this.#messages.get(old).element.remove();
      this.#messages.delete(old);
    }
    return true;
  }
}
