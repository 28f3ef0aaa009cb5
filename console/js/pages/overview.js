// What an operator sees first: how many devices and tags there are, what failed in the last day, and, on demand, which
// messages wait longest.
//
// All but the last comes from the directory, and wakes no mailbox.

import { oldest } from "../devices/oldest.js";
import { element } from "../dom.js";
import { failures } from "../failures/failures.js";
import { hours } from "../failures/hours.js";
import { number } from "../format.js";
import { findMessage } from "../message/find.js";
import { Panel } from "../panel.js";
import { address } from "../routes.js";
import { isNarrow, pageHead, refreshButton } from "./page.js";

/** How many failures are shown at first. */
const first = () => (isNarrow() ? 8 : 20);

export function overviewPage({ api }, _name, query) {
  const counts = new Panel("Failures by hour", {
    load: async () => {
      const { devices, tags, failures } = await api.get("v1/overview");
      const total = failures.by_hour.reduce((sum, { count }) => sum + count, 0);
      tiles.replaceChildren(
        tile("Devices", devices, address("devices")),
        tile("Tags", tags, address("tags")),
        tile("Failures, 24 h", total, undefined, total > 0 ? "bad" : "good"),
      );
      return [hours(failures.by_hour)];
    },
  });
  const tiles = element("ul", { class: "tiles" });
  const failed = failures(api, { names: ["state", "tag", "device", "sender"], query, first: first(), onnews: () => counts.reload() });
  const held = oldest(api);

  async function open() {
    await Promise.all([counts.reload(), failed.reload()]);
  }

  return {
    title: "Overview",
    element: element(
      "div",
      { class: "page" },
      pageHead("Overview", { actions: [refreshButton(open)] }),
      element("div", { class: "glance" }, tiles, counts.element),
      failed.element,
      held.element,
      element("section", { class: "card", "aria-label": "Find a message" }, findMessage()),
    ),
    start: () => {
      failed.start();
      return open();
    },
    stop: () => {
      failed.stop();
      held.stop();
    },
  };
}

function tile(name, value, href, tone) {
  const content = [element("span", { class: "figure" }, number(value)), element("span", { class: "muted" }, name)];
  return element("li", {}, href ? element("a", { class: "tile", href }, ...content) : element("div", { class: "tile", "data-tone": tone }, ...content));
}
