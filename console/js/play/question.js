// What a person sees of a notification, and the buttons that answer it. All of it is text, never markup.

import { button, element } from "../dom.js";

/** The title and the text. `json` is the whole payload, which may have more for other readers. */
export function card({ title, body }, json) {
  return element(
    "div",
    { class: "notification" },
    element("h4", { dir: "auto" }, title),
    body !== "" && element("p", { dir: "auto" }, body),
    element("details", {}, element("summary", {}, "Payload"), element("pre", { class: "payload" }, json)),
  );
}

/** A button for each action and one to dismiss it. `error` says why an answer was not taken. */
export function buttons({ title, actions }, { choose, dismiss, error }) {
  return element(
    "div",
    { class: "answer-form", role: "group", "aria-label": title },
    element(
      "div",
      { class: "buttons" },
      ...actions.map((action) => button(action.label, () => choose(action), { dir: "auto" })),
      button("Dismiss", dismiss, { class: "dismiss" }),
    ),
    error,
  );
}
