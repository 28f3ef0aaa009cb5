// A part of a page. It asks the service for what it shows when the page is opened, and again on demand.

import { button, element, uniqueId } from "./dom.js";
import { Ended } from "./api.js";

export class Panel {
  element;
  #load;
  #turn = 0;
  #heading;
  #body = element("div", { class: "panel-body" });
  #error = element("p", { class: "error", role: "alert" });
  #again = button("Try again", () => this.reload(), { hidden: true });

  /**
   * `load()` returns the elements to show; what it throws is shown instead of them. `actions` stand beside the title,
   * `before` below it.
   * `isClosed`: it is closed at first, and asks for nothing before it is opened.
   */
  constructor(title, { load, actions = [], before = [], isClosed = false }) {
    const id = uniqueId("panel");
    this.#load = load;
    const rest = [...before, this.#error, this.#again, this.#body];
    if (isClosed) {
      this.#heading = element("summary", {}, element("h2", {}, title));
      this.element = element("details", { class: "card panel" }, this.#heading, ...rest);
      this.element.addEventListener("toggle", () => this.element.open && this.reload());
    } else {
      this.#heading = element("h2", { id, tabindex: "-1" }, title);
      const head = element("div", { class: "panel-head" }, this.#heading, ...actions);
      this.element = element("section", { class: "card panel", "aria-labelledby": id }, head, ...rest);
    }
  }

  async reload() {
    this.#turn += 1;
    const turn = this.#turn;
    this.element.setAttribute("aria-busy", "true");
    try {
      const content = await this.#load();
      if (turn === this.#turn) this.show(content);
    } catch (error) {
      if (turn === this.#turn && !(error instanceof Ended)) this.#fail(error.message, true);
    } finally {
      if (turn === this.#turn) this.element.removeAttribute("aria-busy");
    }
  }

  /** Does something, and shows here why it failed. `control` cannot be used meanwhile. */
  async attempt(work, control = {}) {
    this.#fail("");
    control.disabled = true;
    try {
      await work();
    } catch (error) {
      this.#fail(error.message);
    } finally {
      control.disabled = false;
    }
  }

  focus() {
    this.#heading.focus();
  }

  /** Shows something else than what was loaded. */
  show(content) {
    const hadFocus = this.#body.contains(document.activeElement);
    this.#body.replaceChildren(...content.filter(Boolean));
    this.#fail("");
    if (hadFocus) this.#heading.focus();
  }

  #fail(text, mayRepeat = false) {
    this.#error.textContent = text;
    this.#again.hidden = !mayRepeat;
  }
}
