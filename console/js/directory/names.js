// A searchable list of all devices or all tags.

import { button, element, field } from "../dom.js";
import { number } from "../format.js";
import { Unanswered } from "../api.js";
import { VirtualList } from "../virtual-list.js";

/** Milliseconds until a relay that does not answer is asked again. */
const AGAIN = 3000;

export class Names {
  element;
  list;
  #names = [];
  #load;
  #loading = 0;
  #search;
  #status = element("p", { class: "muted small", role: "status" });

  /** `load` yields pages of names, in order; the other options are those of [VirtualList]. */
  constructor({ label, load, ...options }) {
    this.#load = load;
    this.list = new VirtualList({ label, ...options });
    this.#search = element("input", { type: "search", spellcheck: "false", autocapitalize: "none" });
    this.#search.addEventListener("input", () => this.#show());
    this.element = element(
      "div",
      { class: "names" },
      element(
        "div",
        { class: "search" },
        field(`Find ${label.toLowerCase()}`, this.#search),
        button("Reload", () => this.reload()),
      ),
      this.list.element,
      this.#status,
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
      this.#status.textContent = error.message;
      if (error instanceof Unanswered) setTimeout(() => turn === this.#loading && this.reload(), AGAIN);
    }
  }

  has(name) {
    return this.#names.includes(name);
  }

  add(name) {
    if (this.has(name)) return;
    // The relay's own order: names are ASCII, so that code units compare as its bytes do.
    const at = this.#names.findIndex((other) => other > name);
    this.#names.splice(at < 0 ? this.#names.length : at, 0, name);
    this.#show();
  }

  remove(name) {
    this.#names = this.#names.filter((other) => other !== name);
    this.#show();
  }

  #show() {
    const wanted = this.#search.value.trim().toLowerCase();
    const found = wanted ? this.#names.filter((name) => name.toLowerCase().includes(wanted)) : [...this.#names];
    this.list.items = found;
    const all = number(this.#names.length);
    this.#status.textContent = wanted ? `${number(found.length)} of ${all}` : `${all} in total`;
  }
}
