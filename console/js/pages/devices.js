// All devices in a list.

import { element, button } from "../dom.js";
import { newDevice } from "../devices/mint.js";
import { Names } from "../list/names.js";
import { Presence, presenceIcon, presenceOf } from "../list/presence.js";
import { address } from "../routes.js";
import { pageHead, refreshButton } from "./page.js";

export function devicesPage({ api, memory }) {
  const presence = new Presence(api, (device) => names.list.refresh(device));
  const names = new Names({
    noun: "devices",
    memory: memory("devices"),
    load: async function* () {
      for await (const page of api.pages("v1/devices")) yield page.devices.map(({ device }) => device);
    },
    fill: (row, device) =>
      row.replaceChildren(presenceIcon(presence.of(device)), element("span", { class: "name" }, device), ...presenceOf(presence.of(device))),
    open: (device) => (location.hash = address("devices", device)),
    onview: (inView) => presence.look(inView),
  });
  const refresh = () => {
    presence.forget();
    names.reload();
  };
  return {
    title: "Devices",
    element: element(
      "div",
      { class: "page" },
      pageHead("Devices", {
        actions: [
          refreshButton(refresh),
          button("New device", () => newDevice(api, { exists: (name) => names.has(name) }), { class: "primary" }),
        ],
      }),
      names.element,
    ),
    start: () => names.reload(),
    stop: () => {
      names.stop();
      presence.look([]);
    },
  };
}
