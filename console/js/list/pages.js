// A list that comes in pages: the first one when it is begun, the next on demand.

import { button, element } from "../dom.js";

/**
 * `load(cursor)` returns `{ rows, next }`: the elements of a page, and the cursor of the following one. `attempt(work,
 * control)` runs `work`, shows why it failed, and keeps `control` from being used meanwhile.
 *
 * `begin(none)` starts over, and returns what is to be shown; `none()` is shown if there are no rows. A page that comes
 * after that goes into the list that it was asked for, which is no longer shown.
 */
export function pages({ load, attempt }) {
  const more = button("Show more", () => attempt(() => add(list, next), more));
  let list;
  let next;

  async function add(into, cursor) {
    const page = await load(cursor);
    into.append(...page.rows);
    if (into !== list) return;
    next = page.next ?? undefined;
    more.hidden = next === undefined;
  }

  return {
    async begin(none) {
      const begun = element("ul", { class: "entries" });
      list = begun;
      await add(begun);
      return begun.hasChildNodes() || !more.hidden ? [begun, more] : [none()];
    },
  };
}
