// A list that comes in pages: the first one when it is begun, the next on demand.

import { button, element } from "../dom.js";

/**
 * `load(cursor)` returns `{ rows, next }`: the elements of a page, and the cursor of the following one. `attempt(work,
 * control)` runs `work`, shows why it failed, and keeps `control` from being used meanwhile.
 *
 * `begin(none)` starts over, and returns what is to be shown; `none()` is shown if there are no rows. A page that comes
 * after that goes into the list that it was asked for, which is no longer shown. `content` is what shows the list once
 * it has rows, `list` the list itself, `hasMore` whether there are more pages of it, and `more()` asks for the next.
 */
export function pages({ load, attempt }) {
  const more = button("Show more", () => attempt(further, more));
  let list;
  let next;
  /** The page that is being asked for. */
  let coming;

  async function add(into, cursor) {
    const page = await load(cursor);
    into.append(...page.rows);
    if (into !== list) return;
    next = page.next ?? undefined;
    more.hidden = next === undefined;
  }

  function further() {
    const asked = (coming ??= add(list, next).finally(() => {
      if (coming === asked) coming = undefined;
    }));
    return asked;
  }

  return {
    get content() {
      return [list, more];
    },
    get list() {
      return list;
    },
    get hasMore() {
      return next !== undefined;
    },
    more: further,
    async begin(none) {
      const begun = element("ul", { class: "entries" });
      [list, next, coming] = [begun, undefined, undefined];
      await add(begun);
      return begun.hasChildNodes() || !more.hidden ? this.content : [none()];
    },
  };
}
