// The deliveries of a message: counts by state as one bar; those of a few devices with their timelines, those of many
// in a list, once somebody asks for a state.

import { button, element } from "../dom.js";
import { number, plural } from "../format.js";
import { VirtualList } from "../list/virtual-list.js";
import { badge, bar, counted } from "./badge.js";
import { Timeline } from "./timeline.js";

/** Up to so many deliveries are drawn with their timelines at once. */
const FEW = 6;

/**
 * `notification`: what the message is, if it is known and one. `leadTo(device)`: the address of the device's page, if
 * any.
 */
export function deliveries(trace, notification, leadTo) {
  const { summary, timeline, accepted_at } = trace;
  const byDevice = new Map(trace.deliveries.map((delivery) => [delivery.device, delivery]));
  const steps = grouped(timeline);
  const drawn = (device) => {
    const shown = new Timeline(device, accepted_at, notification, leadTo(device));
    shown.update(byDevice.get(device), steps.get(device) ?? []);
    return shown.element;
  };
  const states = counted(summary);
  if (states.length === 0) return [element("p", { class: "muted none" }, "There are no deliveries yet.")];
  const total = states.reduce((sum, [, count]) => sum + count, 0);
  if (total <= FEW) {
    return [
      total > 1 && bar(summary),
      total > 1 && element("p", { class: "badges" }, ...states.map(([state, count]) => badge(state, count))),
      element("ul", { class: "deliveries" }, ...[...byDevice.keys()].map(drawn)),
    ].filter(Boolean);
  }

  const one = element("ul", { class: "deliveries" });
  const note = element("p", { class: "muted small", role: "status" });
  const list = new VirtualList({
    label: "Deliveries",
    fill: (row, device) => {
      const { state, reason } = byDevice.get(device);
      row.replaceChildren(
        element("span", { class: "name" }, device),
        ...(reason === undefined ? [] : [element("span", { class: "muted small clipped" }, reason)]),
        badge(state),
      );
    },
    open: (device) => {
      list.selected = device;
      one.replaceChildren(drawn(device));
    },
  });
  list.element.hidden = true;
  const choices = states.map(([state, count]) => {
    const choice = button([badge(state, count)], () => choose(state), { class: "choice", "aria-pressed": "false" });
    choice.dataset.state = state;
    return choice;
  });

  function choose(state) {
    const pressed = choices.find((choice) => choice.dataset.state === state).getAttribute("aria-pressed") !== "true";
    for (const choice of choices) choice.setAttribute("aria-pressed", pressed && choice.dataset.state === state);
    const found = pressed ? [...byDevice.values()].filter((delivery) => delivery.state === state).map(({ device }) => device) : [];
    list.items = found;
    list.element.hidden = found.length === 0;
    one.replaceChildren();
    const all = summary[state];
    note.textContent = !pressed ? "" : found.length < all ? `${number(found.length)} of ${plural(all, "device")}` : plural(all, "device");
  }

  return [bar(summary), element("div", { class: "badges" }, ...choices), note, list.element, one];
}

function grouped(timeline) {
  const groups = new Map();
  for (const step of timeline) {
    if (!groups.has(step.device)) groups.set(step.device, []);
    groups.get(step.device).push(step);
  }
  return groups;
}
