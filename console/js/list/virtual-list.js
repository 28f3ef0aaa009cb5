// A listbox of any length. Only the visible rows are in the document.
//
// The list is one stop of the Tab key. Arrow keys, Home, End and the page keys move within it, Enter or
// Space opens. Rows have their position among all, so that a screen reader says "12 of 10,000".

import { element, uniqueId } from "../dom.js";

/** Height of a row in pixels, as in list.css. */
const ROW = 44;
/** Rows beyond each edge that are kept ready. */
const MARGIN = 6;

export class VirtualList {
  element;
  #spacer = element("div", { role: "presentation" });
  #prefix = uniqueId("row");
  #rows = new Map();
  #items = [];
  #active = -1;
  #selected;
  #fill;
  #open;
  #onview;
  #drawing = 0;

  /**
   * `fill(row, item)` puts an item's text into a row, `open(item)` is called when one is chosen, and
   * `onview(items)` each time others come into sight. Items are strings.
   */
  constructor({ label, fill, open, onview = () => {} }) {
    this.#fill = fill;
    this.#open = open;
    this.#onview = onview;
    this.element = element(
      "div",
      { class: "list", role: "listbox", "aria-label": label, tabindex: "0", onkeydown: (event) => this.#key(event) },
      this.#spacer,
    );
    this.element.addEventListener("scroll", () => this.#schedule(), { passive: true });
    this.element.addEventListener("click", (event) => this.#click(event));
    this.element.addEventListener("focus", () => this.#focused());
    new ResizeObserver(() => this.#schedule()).observe(this.element);
  }

  set items(items) {
    const active = this.#items[this.#active];
    this.#items = items;
    this.#active = active === undefined ? -1 : items.indexOf(active);
    this.#spacer.style.height = `${items.length * ROW}px`;
    this.#rows.forEach((row) => row.remove());
    this.#rows.clear();
    this.#schedule();
  }

  set selected(item) {
    this.#selected = item;
    this.refresh();
  }

  /** The items in sight. */
  get inView() {
    return [...this.#rows.keys()].sort((a, b) => a - b).map((index) => this.#items[index]);
  }

  /** Fills the rows in sight again: all, or those of one item. */
  refresh(item) {
    for (const [index, row] of this.#rows) {
      if (item === undefined || this.#items[index] === item) this.#draw(row, index);
    }
  }

  #schedule() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#render();
    });
  }

  #render() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - MARGIN);
    const end = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN);
    let changed = false;
    for (const [index, row] of this.#rows) {
      if (index >= first && index < end) continue;
      row.remove();
      this.#rows.delete(index);
    }
    for (let index = first; index < end; index++) {
      if (this.#rows.has(index)) continue;
      const row = element("div", { class: "row", role: "option", id: `${this.#prefix}-${index}` });
      row.style.transform = `translateY(${index * ROW}px)`;
      this.#rows.set(index, row);
      this.#draw(row, index);
      this.#spacer.append(row);
      changed = true;
    }
    this.#mark();
    if (changed) this.#onview(this.inView);
  }

  #draw(row, index) {
    const item = this.#items[index];
    row.setAttribute("aria-setsize", this.#items.length);
    row.setAttribute("aria-posinset", index + 1);
    row.setAttribute("aria-selected", item === this.#selected);
    this.#fill(row, item);
  }

  #mark() {
    for (const [index, row] of this.#rows) row.classList.toggle("active", index === this.#active);
    const active = this.#rows.get(this.#active);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** A press gives the focus too, and must not move the row away from under the pointer. */
  #focused() {
    if (this.element.matches(":focus-visible")) this.#move(Math.max(0, this.#active));
  }

  #move(index) {
    if (this.#items.length === 0) return;
    this.#active = Math.max(0, Math.min(this.#items.length - 1, index));
    const top = this.#active * ROW;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
    this.#render();
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const moves = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#items.length - 1,
    };
    if (event.key in moves) this.#move(moves[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && this.#active >= 0) this.#open(this.#items[this.#active]);
    else return;
    event.preventDefault();
  }

  #click(event) {
    const row = event.target.closest("[role=option]");
    if (!row) return;
    this.#move(Number(row.getAttribute("aria-posinset")) - 1);
    this.#open(this.#items[this.#active]);
  }
}
