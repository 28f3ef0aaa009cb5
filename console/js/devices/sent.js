// What a device sent, newest first, with the states of its deliveries.

import { devicePath, query } from "../api.js";
import { anchor, element } from "../dom.js";
import { addressee, ago } from "../format.js";
import { pages } from "../list/pages.js";
import { badge, counted } from "../message/badge.js";
import { Panel } from "../panel.js";
import { empty, isNarrow } from "../pages/page.js";
import { address } from "../routes.js";
import { word } from "../states.js";

/** How many messages are shown at first, and how many more each time. */
const page = () => (isNarrow() ? 5 : 10);
const STATES = ["held", "sent", "in_progress", "scheduled", "delivered", "expired", "undeliverable", "refused", "rejected", "replaced", "cancelled"];

export function sent(api, device, title = "Sent") {
  const state = element(
    "select",
    { "aria-label": "State of a delivery", onchange: () => panel.reload() },
    element("option", { value: "" }, "any state"),
    ...STATES.map((value) => element("option", { value }, word(value))),
  );
  const list = pages({
    load: async (cursor) => {
      const path = `${devicePath(device)}/messages`;
      const { messages, next } = await api.get(query(path, { limit: page(), state: state.value, cursor }));
      return { rows: messages.map(entry), next };
    },
    attempt: (work, control) => panel.attempt(work, control),
  });
  const none = () =>
    empty(state.value ? `No message of ${device} has a delivery that is ${word(state.value)}.` : `${device} has sent nothing that is still kept.`);
  const panel = new Panel(title, {
    load: () => list.begin(none),
    actions: [state],
  });
  return panel;
}

function entry({ id, to, accepted_at, summary, state }) {
  const states = state === undefined ? counted(summary).map(([name, count]) => badge(name, count)) : [badge(state)];
  return element(
    "li",
    { class: "entry" },
    anchor(`to ${addressee(to)}`, address("messages", id), { class: "name" }),
    element("span", { class: "badges" }, ...states),
    element("time", { class: "muted small", datetime: new Date(accepted_at).toISOString() }, ago(accepted_at)),
  );
}
