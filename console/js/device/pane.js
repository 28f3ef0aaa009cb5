// A device on the page: it connects with its token, sends, receives, answers, and can be taken offline.

import { Api } from "../api.js";
import { announce } from "../announce.js";
import { button, element, icon, uniqueId } from "../dom.js";
import { compose } from "./compose.js";
import { Connection } from "./connection.js";
import { Inbox } from "./inbox.js";
import { Sent } from "./sent.js";

const WORDS = { online: "online", connecting: "connecting", offline: "offline", ended: "offline" };

export class Pane {
  element;
  device;
  #status = element("p", { class: "status" });
  #notice = element("p", { class: "notice", role: "alert" });
  #toggle = button("Take offline", () => this.#switch());
  #heading;
  #connection;
  #inbox;
  #sent;
  #isWanted = false;
  #isOnline = false;
  #onpresence;
  /** Receipts are shown one after the other, since `receipts_seen` covers all before it. */
  #receipts = Promise.resolve();

  /** `onpresence()` is called when the device has come or gone, `onclose()` when the pane is to go. */
  constructor({ device, token, tag, onpresence, onclose }) {
    this.device = device;
    this.#onpresence = onpresence;
    const api = new Api(token);
    this.#connection = new Connection({
      device,
      token,
      onstatus: (status, why) => this.#show(status, why),
      onframe: (frame) => this.#hear(frame),
    });
    this.#inbox = new Inbox((frame) => this.#isOnline && this.#connection.send(frame));
    this.#sent = new Sent(api);
    const id = uniqueId("pane");
    this.#heading = element("h2", { id, tabindex: "-1" }, device);
    this.element = element(
      "section",
      { class: "card pane", "aria-labelledby": id },
      element(
        "header",
        {},
        this.#heading,
        this.#status,
        this.#toggle,
        element("button", { type: "button", class: "bare", "aria-label": `Close ${device}`, onclick: onclose }, icon("close")),
      ),
      this.#notice,
      compose(api, { tag, sent: (answer, text) => this.#sent.add(answer, text) }),
      this.#inbox.element,
      this.#sent.element,
    );
  }

  start() {
    this.#sent.start();
    this.#switch();
  }

  focus() {
    this.#heading.focus();
  }

  stop() {
    this.#connection.dispose();
    this.#sent.stop();
  }

  #switch() {
    this.#isWanted = !this.#isWanted;
    if (this.#isWanted) this.#connection.open();
    else this.#connection.close();
  }

  #show(status, why = "") {
    if (status === "ended") this.#isWanted = false;
    const wasOnline = this.#isOnline;
    this.#isOnline = status === "online";
    const mark = icon(WORDS[status]);
    mark.classList.toggle("is-online", this.#isOnline);
    this.#status.replaceChildren(mark, WORDS[status]);
    this.#notice.textContent = why;
    this.#toggle.textContent = this.#isWanted ? "Take offline" : "Bring online";
    this.element.dataset.status = status;
    this.#inbox.online = this.#isOnline;
    if (wasOnline === this.#isOnline) return;
    announce(`${this.device} is ${this.#isOnline ? "online" : "offline"}`);
    this.#onpresence();
  }

  #hear(frame) {
    switch (frame.type) {
      case "message":
        this.#inbox.take(frame);
        break;
      case "welcome":
        this.#receipts = Promise.resolve();
        break;
      case "receipt":
        this.#receipts = this.#receipts.then(() => this.#receipt(frame));
        // After one that could not be shown none is: all of them come again with the next connection.
        this.#receipts.catch(() => {});
        break;
      case "error":
        this.#notice.textContent = `${frame.code}: ${frame.detail}`;
        break;
    }
  }

  async #receipt(frame) {
    await this.#sent.receipt(frame);
    this.#connection.send({ type: "receipts_seen", seq: frame.seq });
  }
}
