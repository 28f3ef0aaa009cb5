// What failed in the last day, newest first, each to be sent again; and what fails while it is looked at. It comes from
// the directory, and wakes no mailbox.

import { Problem, query as withQuery } from "../api.js";
import { announce } from "../announce.js";
import { element } from "../dom.js";
import { plural } from "../format.js";
import { pages } from "../list/pages.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";
import { whileVisible } from "../while-visible.js";
import { Failure, keyOf } from "./failure.js";
import { filter } from "./filter.js";
import { Resends } from "./resends.js";
import { selection } from "./selection.js";

const DAY = 86_400_000;
/** How many more are shown each time, and how many new ones are asked for at once. */
const MORE = 100;
/** Milliseconds between two looks for new ones. */
const LOOK = 15_000;
/** How long after it has happened a failure may become known, in milliseconds. */
const LATE = 600_000;
/** How many pages are asked for at most to select all. */
const PAGES = 10;
/** How many are shown at most before new ones are no longer added. */
const MOST = 1000;

/**
 * `wanted`: the parameters of the list that stay, as `{ tag }`. `names`: what it can be filtered by, and `query`: that
 * of the page's address. `first`: how many are shown at first. `onnews()` is called when new ones have come.
 */
export function failures(api, { wanted = {}, names, query, first, onnews = () => {} }) {
  let isOff = false;
  let isShown = false;
  /** The last attempt to load the list has failed, and another may succeed. */
  let isMissed = false;
  let stop = () => {};

  const filters = filter({ names, query, onchange: () => panel.reload() });
  const resends = new Resends(api, (key) => list.rows.get(key));
  const chosen = selection(resends, { all, attempt: (work, control) => panel.attempt(work, control) });
  const live = element("span", { class: "live", title: "Checks for new failures every 15 seconds", hidden: true });
  const asked = (parameters) => withQuery("v1/failures", { ...wanted, ...filters.read(), ...parameters });
  const list = pages({
    load: async (cursor, into) => {
      const limit = cursor === undefined ? first : MORE;
      const answer = await api.get(asked({ since: Date.now() - DAY, limit, cursor }));
      isOff = answer.off === true;
      return { rows: answer.failures.filter((found) => !into.has(keyOf(found))).map((found) => take(found, into).element), next: answer.next };
    },
    attempt: (work, control) => panel.attempt(work, control),
  });

  function take(found, into) {
    const failure = new Failure(found, { onchoose: chosen.choose, onresend: again });
    into.set(failure.key, failure);
    resends.show(failure);
    return failure;
  }

  async function again(failure) {
    const { sent } = await chosen.resend(failure);
    if (sent > 0) announce(`Resent to ${failure.device}`);
  }

  /** What is shown, newest first. */
  const shown = () => [...list.rows.values()].filter(({ element }) => element.isConnected).sort((one, other) => other.at - one.at);

  /** Those that can be selected, of so many messages at most; more are asked for as long as there are too few. */
  async function all(most) {
    for (let asked = 1; ; asked++) {
      const open = shown().filter(({ canBeSent }) => canBeSent);
      const ids = new Set([...new Set(open.map(({ id }) => id))].slice(0, most));
      const failures = open.filter(({ id }) => ids.has(id));
      if (ids.size === most || !list.hasMore || asked === PAGES) return { failures, isCut: failures.length < open.length || list.hasMore };
      await list.more();
    }
  }

  /** Adds what has become known since. */
  async function look() {
    if (isMissed) return panel.reload();
    const into = list.rows;
    if (!isShown || isOff || into.size >= MOST) return;
    const newest = Math.max(0, ...[...into.values()].map(({ at }) => at));
    const answer = await api.get(asked({ since: Math.max(Date.now() - DAY, newest - LATE), limit: MORE })).catch(() => undefined);
    tell(answer !== undefined);
    if (answer === undefined || into !== list.rows) return;
    for (const found of answer.failures) into.get(keyOf(found))?.update(found);
    const fresh = answer.failures.filter((found) => !into.has(keyOf(found)));
    // There are others between these and what is listed.
    const isGap = answer.next !== undefined && answer.failures.at(-1)?.at > newest;
    const isNew = into.size === 0 || isGap;
    const count = isNew ? fresh.length : fresh.filter((found) => add(found, into)).length;
    if (count === 0) return;
    if (isNew) await panel.reload();
    announce(plural(count, "new failure"));
    onnews();
  }

  /** Puts it where it belongs by its time. Returns whether that is among those that are shown. */
  function add(found, into) {
    const older = shown().find(({ at }) => at < found.at);
    // What is older than all that is shown comes with the next page.
    if (!older && list.hasMore) return false;
    const { element: row } = take(found, into);
    if (older) older.element.before(row);
    else list.list.append(row);
    row.classList.add("arrived");
    return true;
  }

  function tell(isLive) {
    live.textContent = isLive ? "Live" : "Not live";
    live.dataset.live = isLive;
  }

  function missed(error) {
    isMissed = !(error instanceof Problem) || error.status >= 500;
    tell(false);
    throw error;
  }

  const nothing = () => (filters.isSet() ? "No failures match the filter." : "Nothing failed.");
  const panel = new Panel("Failures of the last day", {
    load: async () => {
      isShown = isMissed = false;
      chosen.clear();
      const content = await list.begin(() => empty(nothing())).catch(missed);
      isShown = true;
      chosen.element.hidden = list.rows.size === 0;
      tell(!isOff);
      return [isOff && element("p", { class: "notice" }, "The service records no failures (FAILURES=off)."), ...content];
    },
    actions: [live],
    before: [filters.element, chosen.element],
  });
  return {
    element: panel.element,
    reload: () => panel.reload(),
    /** From now on, new ones are looked for. */
    start: () => {
      live.hidden = false;
      stop = whileVisible(look, LOOK);
    },
    stop: () => stop(),
  };
}
