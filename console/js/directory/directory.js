// The operator's side: two tabs, devices and tags.

import { element } from "../dom.js";
import { devices } from "./devices.js";
import { tags } from "./tags.js";

/** `be(device, token)` opens a device's pane. */
export function directory(api, actions) {
  const parts = { Devices: devices(api, actions), Tags: tags(api) };
  const labels = Object.keys(parts);
  const tabs = labels.map((label) => {
    const id = label.toLowerCase();
    return element(
      "button",
      { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, onclick: () => choose(label) },
      label,
    );
  });
  const panels = labels.map((label) => {
    const id = label.toLowerCase();
    return element(
      "div",
      { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, hidden: true },
      parts[label].element,
    );
  });

  function choose(label) {
    labels.forEach((other, index) => {
      const chosen = other === label;
      tabs[index].setAttribute("aria-selected", chosen);
      tabs[index].tabIndex = chosen ? 0 : -1;
      panels[index].hidden = !chosen;
    });
    parts[label].start();
  }

  function onkeydown(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    tabs[next].focus();
    choose(labels[next]);
  }

  choose("Devices");
  return {
    element: element(
      "aside",
      { class: "directory", "aria-label": "Directory" },
      element("div", { class: "tabs", role: "tablist", "aria-label": "Directory", onkeydown }, ...tabs),
      ...panels,
    ),
    changed: parts.Devices.changed,
    stop: parts.Devices.stop,
  };
}
