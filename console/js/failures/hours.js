// Failures by hour, as bars. The words above them say the same.

import { element } from "../dom.js";
import { number, plural } from "../format.js";
import { FAILED } from "../states.js";

const HOUR = 3_600_000;
/** The last day begins within an hour: that one and 24 more. */
const HOURS = 25;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** `counts`: how many deliveries ended in a state within an hour, which is named by its beginning. */
export function hours(counts) {
  const last = Math.floor(Date.now() / HOUR) * HOUR;
  const all = Array.from({ length: HOURS }, (_, at) => ({ hour: last - (HOURS - 1 - at) * HOUR, states: [], count: 0 }));
  for (const { hour, state, count } of counts) {
    const place = all.find((other) => other.hour === hour);
    if (!place) continue;
    place.states.push({ state, count });
    place.count += count;
  }
  const most = all.reduce((most, hour) => (hour.count > most.count ? hour : most));
  const total = all.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return element("p", { class: "muted none" }, "None.");
  const words = `${plural(total, "failure")}; the most, ${number(most.count)}, in the hour from ${clock.format(most.hour)}`;
  const sums = FAILED.map((state) => [state, counts.reduce((sum, found) => sum + (found.state === state ? found.count : 0), 0)]);
  const key = ([state, sum]) => element("span", { class: "key", "data-state": state }, `${number(sum)} ${state}`);
  return element(
    "figure",
    { class: "hours" },
    element("div", { class: "hours-bars", "aria-hidden": "true" }, ...all.map((hour) => column(hour, most.count))),
    element("div", { class: "hours-scale muted small", "aria-hidden": "true" }, element("span", {}, clock.format(all[0].hour)), element("span", {}, "now")),
    element(
      "figcaption",
      { class: "muted small" },
      element("span", {}, `${words}.`),
      element("span", { class: "keys" }, ...sums.filter(([, sum]) => sum > 0).map(key)),
    ),
  );
}

function column({ hour, states, count }, most) {
  const inOrder = states.toSorted((one, other) => FAILED.indexOf(one.state) - FAILED.indexOf(other.state));
  const segments = inOrder.map(({ state, count }) => {
    const segment = element("span", { "data-state": state });
    segment.style.flexGrow = count;
    return segment;
  });
  const bar = element("div", { class: "hour-bar" }, ...segments);
  bar.style.height = `${(100 * count) / most}%`;
  const said = states.map(({ state, count }) => `${number(count)} ${state}`).join(", ") || "none";
  return element("div", { class: "hour", title: `${clock.format(hour)}: ${said}` }, bar);
}
