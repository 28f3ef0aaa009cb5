// What keeps this phone from being woken, and what to do about it. One thing at a time, the most important.

import { button, element, icon } from "../../js/dom.js";
import { HOST } from "../shared/place.js";
import { Problem } from "../shared/service.js";
import { WakeIsOff, subscribe } from "../shared/subscription.js";
import { canBeWoken, canInstall, install, needsHomeScreen, onInstallChange } from "./platform.js";
import { working } from "./registration.js";

/** @typedef {"unknown" | "on" | "ask" | "denied" | "unsupported" | "home-screen" | "off" | "failed"} Wake */

/** @type {Partial<Record<Wake, { symbol: string, title: string, text: string, action?: string }>>} */
const NOTICES = {
  ask: { symbol: "bell", title: "Get messages while this is closed", text: "A notification shows each message, and you answer it with a tap.", action: "Turn on notifications" },
  denied: { symbol: "muted", title: "Notifications are blocked", text: "Allow them for this site in the settings of your browser or phone, then come back. Until then you only get messages while this page is open." },
  unsupported: { symbol: "muted", title: "This browser cannot be woken", text: "You only get messages while this page is open. Chrome, Firefox, Edge and Safari can be woken, if the page is not in a private window and its address is https." },
  "home-screen": { symbol: "add", title: "Add tagpost to the home screen", text: "Tap Share, then “Add to Home Screen”, and pair it there. Until then you only get messages while this page is open." },
  off: { symbol: "muted", title: "You only get messages while this is open", text: `${HOST} does not wake phones. Its operator can turn that on.` },
  failed: { symbol: "warning", title: "Not woken yet", text: "The push service of your browser or the service could not be reached. Until then you only get messages while this page is open.", action: "Try again" },
};

export class Notices {
  element = element("div", { class: "notices" });
  #own;
  #registration;
  #use;
  /** @type {Wake} */
  #wake = "unknown";
  #isElsewhere = false;
  #isChecking = false;
  #isStopped = false;
  #stopListening;
  /** Why the service did not take the subscription, where it said so. */
  #why = "";
  /** What is shown. */
  #shown = "";

  /**
   * @param {import("../shared/self.js").Self} own
   * @param {Promise<ServiceWorkerRegistration | undefined>} registration
   * @param {() => void} use connects here, if another page or program is connected
   */
  constructor(own, registration, use) {
    this.#own = own;
    this.#registration = registration;
    this.#use = use;
    this.#stopListening = onInstallChange(() => this.#draw());
  }

  stop() {
    this.#isStopped = true;
    this.#stopListening();
  }

  /** @param {boolean} isElsewhere whether another page or program has taken over */
  setElsewhere(isElsewhere) {
    this.#isElsewhere = isElsewhere;
    this.#draw();
  }

  /** Looks again: permissions change outside of the page. */
  async check() {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      this.#wake = await this.#look();
    } finally {
      this.#isChecking = false;
    }
    this.#draw();
  }

  /** @returns {Promise<Wake>} */
  async #look() {
    if (needsHomeScreen) return "home-screen";
    const registration = await this.#registration;
    if (!canBeWoken || !registration?.pushManager) return "unsupported";
    if (Notification.permission === "denied") return "denied";
    if (Notification.permission === "default") return "ask";
    try {
      await subscribe(await working(registration), this.#own);
      return "on";
    } catch (failure) {
      if (failure instanceof WakeIsOff) return "off";
      console.warn("not subscribed:", failure);
      this.#why = failure instanceof Problem ? failure.message : "";
      return failure.name === "NotAllowedError" ? "denied" : "failed";
    }
  }

  /** Browsers let a page ask only right after a tap. */
  async #act() {
    if (Notification.permission === "default") await Notification.requestPermission();
    await this.check();
  }

  #draw() {
    if (this.#isStopped) return;
    const next = this.#isElsewhere ? "elsewhere" : NOTICES[this.#wake] ? this.#wake : canInstall() ? "install" : "";
    if (next === this.#shown) return;
    this.#shown = next;
    this.element.replaceChildren(...this.#notice(next));
  }

  #notice(name) {
    if (name === "") return [];
    if (name === "elsewhere") {
      return [card("phone", "Connected elsewhere", "Another page or program is connected as this device, and gets its messages.", button("Connect here", this.#use, { class: "primary" }))];
    }
    if (name === "install") {
      return [card("add", "Install the app", "It gets an icon of its own, with the number of messages that wait.", button("Install", install, { class: "primary" }))];
    }
    const { symbol, title, text, action } = NOTICES[name];
    return [card(symbol, title, name === "failed" && this.#why ? `The service refused it: ${this.#why}` : text, action && button(action, () => this.#act(), { class: "primary" }))];
  }
}

function card(symbol, title, text, control) {
  return element(
    "section",
    { class: "notice-card", "aria-label": title },
    icon(symbol),
    element("div", {}, element("h2", {}, title), element("p", {}, text)),
    control,
  );
}
