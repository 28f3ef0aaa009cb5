// What the pages have in common.

import { anchor, button, element, icon } from "../dom.js";
import { address } from "../routes.js";

/** The head of a page. `up`: the label and the address of the page that it belongs to. */
export function pageHead(title, { up, beside = [], actions = [] } = {}) {
  const heading = element("h1", { tabindex: "-1" }, title);
  return element(
    "header",
    { class: "page-head" },
    element(
      "div",
      { class: "page-title" },
      up && anchor(up[0], up[1], { class: "up" }),
      element("div", { class: "title-line" }, heading, ...beside),
    ),
    element("div", { class: "buttons" }, ...actions),
  );
}

/** A button that asks again for what the page shows. */
export const refreshButton = (refresh, label = "Refresh") => button([icon("refresh"), element("span", {}, label)], refresh, { class: "refresh" });

/** In place of a page that does not exist. */
export function missing(title, text, label, ...parts) {
  return element(
    "div",
    { class: "page missing" },
    pageHead(title),
    element("p", {}, text),
    element("p", {}, anchor(label, address(...parts))),
  );
}

/** Whether the page is as narrow as a phone: then it is short, too. */
export const isNarrow = () => matchMedia("(max-width: 48rem)").matches;

/** A part of a page that can be closed; on a phone it is closed at first. */
export function closable(title, ...content) {
  return element(
    "details",
    { class: "card panel", open: !isNarrow() },
    element("summary", {}, element("h2", {}, title)),
    element("div", { class: "stack" }, ...content),
  );
}

/** In place of a list without entries. */
export const empty = (text) => element("p", { class: "muted none" }, text);
