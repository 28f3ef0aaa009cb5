// What this phone is, and the way to forget it.

import { button, element } from "../../js/dom.js";
import { confirm } from "../../js/dialogs.js";
import { clear } from "../shared/database.js";
import { HOST } from "../shared/place.js";
import * as self from "../shared/self.js";
import { unsubscribe } from "../shared/subscription.js";
import { takeDownRead } from "./shown.js";

export class About {
  element;
  #own;
  #registration;
  #forgotten;

  /**
   * @param {self.Self} own
   * @param {Promise<ServiceWorkerRegistration | undefined>} registration
   * @param {() => void} forgotten
   */
  constructor(own, registration, forgotten) {
    this.#own = own;
    this.#registration = registration;
    this.#forgotten = forgotten;
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
    // The subscription may have been made since the page was opened.
    await unsubscribe(await this.#registration, (await self.read()) ?? this.#own);
    await clear();
    await takeDownRead(new Set());
    await navigator.clearAppBadge?.().catch(() => {});
    this.#forgotten();
  }
}
