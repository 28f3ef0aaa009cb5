// The frame around every view: the name on top, the status beside it, and one content below.

import { element, icon } from "../../js/dom.js";
import { HOST } from "../shared/place.js";

const main = document.getElementById("main");
const device = document.getElementById("device");
const status = document.getElementById("status");

document.getElementById("host").textContent = HOST;

/** Replaces what is shown. @param {Node[]} content */
export function show(...content) {
  main.replaceChildren(...content);
}

/** @param {string} [name] of the device that this phone is */
export function setName(name) {
  device.textContent = name ?? "tagpost";
  document.title = name === undefined ? "tagpost" : `${name} · tagpost`;
}

/** @param {"online" | "connecting" | "offline" | undefined} state */
export function setStatus(state) {
  status.replaceChildren(...(state ? [element("span", { class: `dot is-${state}`, "aria-hidden": "true" }), state] : []));
}

/** A view that says one thing, with what to do about it. */
export function statement(symbol, title, texts, ...controls) {
  return element(
    "section",
    { class: "statement" },
    element("span", { class: "emblem" }, icon(symbol)),
    element("h2", { tabindex: "-1" }, title),
    ...texts.map((text) => element("p", { class: "muted" }, text)),
    element("div", { class: "controls" }, ...controls),
  );
}

/** What to do, one step after the other. @param {string[]} steps */
export const numbered = (steps) => element("ol", { class: "numbered" }, ...steps.map((step) => element("li", {}, step)));

/** Moves the focus to what was shown, for those who do not see that it has changed. */
export function focusTitle() {
  main.querySelector("h2[tabindex]")?.focus();
}
