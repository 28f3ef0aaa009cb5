// What this phone is, and the way to forget it.

import { button, element } from "../../js/dom.js";
import { confirm } from "../../js/dialogs.js";
import { HOST, INBOX } from "../shared/place.js";
import * as self from "../shared/self.js";
import { unsubscribe } from "../shared/subscription.js";
import { takeDownRead } from "./shown.js";

export class About {
  element;
  #own;
  #registration;
  #stop;

  /**
   * @param {self.Self} own
   * @param {Promise<ServiceWorkerRegistration | undefined>} registration
   * @param {() => void} stop ends what the page does as this device
   */
  constructor(own, registration, stop) {
    this.#own = own;
    this.#registration = registration;
    this.#stop = stop;
    this.element = element(
      "footer",
      { class: "about" },
      element("p", { class: "muted small" }, "This phone is the device ", element("b", {}, own.device), ` of ${HOST}. Its messages and its token are stored in this browser.`),
      button("Forget this phone", () => this.#forget(), { class: "quiet" }),
    );
  }

  async #forget() {
    const text = "Its token, its messages and the answers that are not sent yet are deleted here, and nothing wakes it any more. What still waits stays with the service.";
    if (!(await confirm("Forget this phone?", text, "Forget"))) return;
    this.#stop();
    // The subscription may have been made since the page was opened.
    await unsubscribe(await this.#registration, (await self.read()) ?? this.#own);
    // A worker that is fetching would write messages into an empty list.
    await navigator.locks.request(INBOX, self.forget);
    await takeDownRead(new Set());
    await navigator.clearAppBadge?.().catch(() => {});
  }
}
