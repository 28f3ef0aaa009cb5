// The page of a phone that is a device: its messages, what is to be done about notifications, and the way out.
//
// The phone is connected as long as the page is in front, and only then: otherwise it is woken.

import { showDialog } from "../../js/dialogs.js";
import { element } from "../../js/dom.js";
import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import { refused } from "../shared/subscription.js";
import { About } from "./about.js";
import { Link } from "./link.js";
import { List } from "./list.js";
import { Notices } from "./notices.js";
import { setName, setStatus, show } from "./view.js";

export class Paired {
  #own;
  #registration;
  #link;
  #list;
  #notices;
  #end = new AbortController();

  /**
   * @param {self.Self} own
   * @param {Promise<ServiceWorkerRegistration | undefined>} registration
   */
  constructor(own, registration) {
    this.#own = own;
    this.#registration = registration;
    this.#notices = new Notices(own, registration, () => this.#link.use());
    this.#list = new List({
      choose: (id, action) => this.#answer(answers.choose(id, action)),
      decline: (id) => this.#answer(answers.decline(id)),
    });
    this.#link = new Link(own, registration, {
      state: (state) => setStatus(state),
      elsewhere: (isElsewhere) => this.#notices.setElsewhere(isElsewhere),
      refused: () => this.#refused(),
    });
    const about = new About(own, registration, () => this.stop());
    setName(own.device);
    show(element("div", { class: "page" }, this.#notices.element, this.#list.element, about.element));
    const { signal } = this.#end;
    addEventListener("online", () => this.#link.send(), { signal });
    document.addEventListener("visibilitychange", () => this.#turn(), { signal });
    navigator.serviceWorker?.addEventListener("message", ({ data }) => this.#list.reveal(data?.open), { signal });
    navigator.serviceWorker?.startMessages?.();
    this.#list.reveal(new URLSearchParams(location.search).get("message") ?? undefined);
    if (location.search) history.replaceState(null, "", location.pathname);
    this.#turn();
  }

  stop() {
    this.#end.abort();
    this.#link.stop();
    this.#list.stop();
    this.#notices.stop();
    setStatus();
  }

  /** The page has come to the front, or has gone. */
  #turn() {
    const isInFront = document.visibilityState === "visible";
    this.#list.setInFront(isInFront);
    if (isInFront) {
      this.#link.use();
      this.#notices.check();
    } else {
      this.#link.stop();
    }
  }

  /** An answer is written down first; then it is sent, if that can be. */
  async #answer(given) {
    try {
      await given;
      await updateBadge();
    } catch (error) {
      console.error("the answer was not written down:", error);
      showDialog("Your answer was not sent", [element("p", {}, "This phone could not store it. Try again.")]);
      return;
    }
    await this.#link.send();
  }

  /** The page learns by the database that it is no device any more. */
  async #refused() {
    this.stop();
    await refused(await this.#registration, this.#own);
  }
}
