// States in short: a mark with a word, and how many deliveries are in each.

import { element, icon } from "../dom.js";
import { number } from "../format.js";
import { FAILED, look, word } from "../states.js";

/** The order in which states are shown: what needs a look first. */
const ORDER = [
  "undeliverable", "refused", "rejected", "expired",
  "scheduled", "held", "sent", "in_progress",
  "delivered", "replaced", "cancelled",
];

/** A state; with `count`, how many deliveries are in it. */
export function badge(state, count) {
  const { tone, meaning } = look(state);
  return element(
    "span",
    { class: "badge", "data-tone": tone, title: meaning },
    icon(state),
    count === undefined ? word(state) : `${number(count)} ${word(state)}`,
  );
}

/** The states of a summary that have deliveries, each with its count, in order. @returns {[string, number][]} */
export function counted(summary) {
  const rank = (state) => (ORDER.includes(state) ? ORDER.indexOf(state) : ORDER.length);
  return Object.entries(summary)
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => rank(a) - rank(b));
}

/** How many deliveries of a summary have failed. */
export const failures = (summary) => counted(summary).reduce((sum, [state, count]) => sum + (FAILED.includes(state) ? count : 0), 0);

/** The counts of a summary as one bar: each state as wide as its part. The words beside it say the same. */
export function bar(summary) {
  const segments = counted(summary).map(([state, count]) => {
    const segment = element("span", { "data-tone": look(state).tone });
    segment.style.flexGrow = count;
    return segment;
  });
  return element("div", { class: "shares", "aria-hidden": "true" }, ...segments);
}
