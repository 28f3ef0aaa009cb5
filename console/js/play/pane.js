// A device on the page: it connects with its token, sends, receives, answers, and can be taken offline.
//
// The connection is that of the client library, which the build puts next to the page.

import { connect } from "../../tagpost/index.js";
import { Api, BASE } from "../api.js";
import { announce } from "../announce.js";
import { button, element, icon, uniqueId } from "../dom.js";
import { compose } from "../send/compose.js";
import { Inbox } from "./inbox.js";
import { Sent } from "./sent.js";

const ENDS = {
  unauthorized: "Its token is no longer valid.",
  taken_over: "Another connection of this device took over.",
};

export class Pane {
  element;
  device;
  api;
  #token;
  #isElsewhere;
  #status = element("p", { class: "status" });
  #notice = element("p", { class: "notice", role: "alert" });
  #toggle = button("Take offline", () => this.#switch());
  #heading;
  #inbox = new Inbox();
  #sent;
  /** The library's device while this one is to be online. */
  #connected;
  #isOnline = false;
  #isReadingReceipts = false;
  #onpresence;

  /**
   * `isElsewhere`: the device is connected elsewhere, and stays so until somebody brings it online here.
   * `onpresence(isOnline)` is called when it connects or disconnects, `onclose()` when the pane should close.
   */
  constructor({ device, token, tag, isElsewhere = false, onpresence, onclose }) {
    this.device = device;
    this.#token = token;
    this.#isElsewhere = isElsewhere;
    this.#onpresence = onpresence;
    this.api = new Api(token);
    this.#sent = new Sent(this.api);
    const id = uniqueId("pane");
    this.#heading = element("h2", { id, tabindex: "-1" }, device);
    this.element = element(
      "section",
      { class: "card pane", "aria-labelledby": id },
      element(
        "header",
        {},
        element("div", { class: "who" }, this.#heading, this.#status),
        this.#toggle,
        element("button", { type: "button", class: "bare", "aria-label": `Close ${device}`, onclick: onclose }, icon("close")),
      ),
      this.#notice,
      compose({ to: { kind: "tag", address: tag }, from: () => this.api, sent: (answer, text) => this.#sent.add(answer, text) }),
      this.#inbox.element,
      this.#sent.element,
    );
  }

  start() {
    this.#sent.start();
    if (this.#isElsewhere) this.#show("offline", `${this.device} is connected elsewhere. “Bring online” disconnects it there.`);
    else this.#switch();
  }

  get isOnline() {
    return this.#isOnline;
  }

  focus() {
    this.#heading.focus();
  }

  stop() {
    // What ends with the pane is no news.
    this.#isOnline = false;
    this.#connected?.close();
    this.api.end();
    this.#sent.stop();
  }

  #switch() {
    if (this.#connected) this.#connected.close();
    else this.#connect();
  }

  #connect() {
    const device = connect({ url: BASE, token: this.#token });
    this.#connected = device;
    this.#show("connecting");
    device.addEventListener("online", () => {
      this.#show("online");
      this.#readReceipts(device);
    });
    // Its library comes back by itself.
    device.addEventListener("offline", () => this.#show("connecting"));
    device.addEventListener("closed", ({ error }) => {
      this.#connected = undefined;
      this.#show("offline", error && (ENDS[error.code] ?? error.message));
    });
    this.#readMessages(device);
  }

  #show(status, why = "") {
    const wasOnline = this.#isOnline;
    this.#isOnline = status === "online";
    const mark = icon(status);
    mark.classList.toggle("is-online", this.#isOnline);
    this.#status.replaceChildren(mark, status);
    this.#notice.textContent = why;
    this.#toggle.textContent = this.#connected ? "Take offline" : "Bring online";
    this.element.dataset.status = status;
    this.#inbox.isConnected = this.#connected !== undefined;
    if (wasOnline === this.#isOnline) return;
    announce(`${this.device} is ${this.#isOnline ? "online" : "offline"}`);
    this.#onpresence(this.#isOnline);
  }

  async #readMessages(device) {
    try {
      for await (const message of device.messages()) this.#inbox.take(message);
    } catch {
      // `closed` says how the connection ended.
    }
  }

  /** A receipt counts as seen once it is shown. One that cannot be is read again with the next connection. */
  async #readReceipts(device) {
    if (this.#isReadingReceipts) return;
    this.#isReadingReceipts = true;
    try {
      for await (const receipt of device.receipts()) await this.#sent.receipt(receipt);
    } catch {
      // As above.
    } finally {
      this.#isReadingReceipts = false;
    }
  }
}
