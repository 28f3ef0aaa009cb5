// A searchable list of all devices or all tags.

import { element, field } from "../dom.js";
import { number } from "../format.js";
import { Ended, Unanswered } from "../api.js";
import { VirtualList } from "./virtual-list.js";

/** Milliseconds until a service that does not answer is asked again. */
const AGAIN = 3000;

export class Names {
  element;
  list;
  #names = [];
  #load;
  #loading = 0;
  #noun;
  #memory;
  #search;
  #status = element("p", { class: "muted small", role: "status" });
  #none = element("p", { class: "muted none card", hidden: true });

  /**
   * `noun`: what is listed, in the plural. `load` yields pages of names, in order. `memory` keeps what was looked for
   * from one time that the page is opened to the next. The other options are those of [VirtualList].
   */
  constructor({ noun, load, memory, ...options }) {
    this.#load = load;
    this.#noun = noun;
    this.#memory = memory;
    this.list = new VirtualList({ label: noun.charAt(0).toUpperCase() + noun.slice(1), ...options });
    this.#search = element("input", { type: "search", spellcheck: "false", autocapitalize: "none", value: memory.wanted });
    this.#search.addEventListener("input", () => this.#show());
    this.list.element.addEventListener("scroll", () => (memory.top = this.list.element.scrollTop), { passive: true });
    this.element = element(
      "div",
      { class: "names" },
      element("div", { class: "search" }, field(`Find ${noun}`, this.#search), this.#status),
      this.list.element,
      this.#none,
    );
  }

  async reload() {
    this.#loading += 1;
    const turn = this.#loading;
    const names = [];
    try {
      for await (const page of this.#load()) {
        if (turn !== this.#loading) return;
        names.push(...page);
        // Names already shown stay until there are more to replace them.
        if (names.length < this.#names.length) continue;
        this.#names = [...names];
        this.#show();
      }
      this.#names = names;
      this.#show();
    } catch (error) {
      if (error instanceof Ended) return;
      this.#status.textContent = error.message;
      if (error instanceof Unanswered) setTimeout(() => turn === this.#loading && this.reload(), AGAIN);
    }
  }

  /** Nothing is asked any more. */
  stop() {
    this.#loading += 1;
  }

  has(name) {
    return this.#names.includes(name);
  }

  #show() {
    const wanted = this.#search.value.trim();
    this.#memory.wanted = wanted;
    const folded = wanted.toLowerCase();
    const found = wanted ? this.#names.filter((name) => name.toLowerCase().includes(folded)) : [...this.#names];
    const { top } = this.#memory;
    this.list.items = found;
    this.list.element.hidden = found.length === 0;
    this.#none.hidden = found.length > 0;
    this.#none.textContent = wanted ? `None of the ${this.#noun} has “${wanted}” in its name.` : `There are no ${this.#noun} yet.`;
    if (top && this.list.element.scrollTop === 0) this.list.element.scrollTop = top;
    const all = number(this.#names.length);
    this.#status.textContent = wanted ? `${number(found.length)} of ${all}` : `${all} in total`;
  }
}
