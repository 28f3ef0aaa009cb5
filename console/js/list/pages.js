// A list that comes in pages: the first one when it is begun, the next on demand.

import { button, element } from "../dom.js";

/**
 * `load(cursor, rows)` returns `{ rows, next }`: the elements of a page, and the cursor of the following one. The `rows`
 * that it is given are a map of its own for the list that the page belongs to. `attempt(work, control)` runs `work`,
 * shows why it failed, and keeps `control` from being used meanwhile.
 *
 * `begin(none)` starts over, and returns what is to be shown; `none()` is shown if there are no rows. What was listed
 * before stays until the first page has come, and for good if it does not come, or another list was begun meanwhile.
 * `content` is what shows the list, `list` its element, `rows` its map, `hasMore` whether it has more pages, and `more()`
 * asks for the next. `isLatest(rows)`: these are of the list that was begun last.
 */
export function pages({ load, attempt }) {
  const more = button("Show more", () => attempt(further, more));
  let shown = begun();
  let latest = shown;

  async function add(list) {
    const page = await load(list.next, list.rows);
    list.element.append(...page.rows);
    list.next = page.next ?? undefined;
    if (list === shown) more.hidden = list.next === undefined;
  }

  /** The next page, which is asked for once at a time. */
  function further() {
    const list = shown;
    return (list.coming ??= add(list).finally(() => (list.coming = undefined)));
  }

  return {
    get content() {
      return [shown.element, more];
    },
    get list() {
      return shown.element;
    },
    get rows() {
      return shown.rows;
    },
    get hasMore() {
      return shown.next !== undefined;
    },
    isLatest: (rows) => rows === latest.rows,
    more: further,
    async begin(none) {
      const list = (latest = begun());
      await add(list);
      if (list === latest) shown = list;
      more.hidden = shown.next === undefined;
      return list.element.hasChildNodes() || list.next !== undefined ? this.content : [none()];
    },
  };
}

/** A list without a page. */
const begun = () => ({ element: element("ul", { class: "entries" }), rows: new Map(), next: undefined, coming: undefined });
