// The modal dialogs: confirming an action, and showing what the service will not show again.

import { button, element, field, labelId, uniqueId } from "./dom.js";

/** Asks before something that cannot be undone. */
export function confirm(title, text, action) {
  return new Promise((resolve) => {
    const dialog = frame(title, [element("p", {}, text)]);
    const close = (answer) => {
      resolve(answer);
      dialog.close();
    };
    dialog.append(
      element(
        "div",
        { class: "buttons" },
        button("Cancel", () => close(false), { autofocus: true }),
        button(action, () => close(true), { class: "danger" }),
      ),
    );
    dialog.addEventListener("close", () => resolve(false));
    dialog.showModal();
  });
}

/** Shows a token, which the relay does not store and will not show again. */
export function showToken(device, token) {
  showDialog(`Token of ${device}`, [
    element("p", {}, "The service does not store it. Copy it now; if you lose it, create a new one."),
    copyable("Token", token),
  ]);
}

/** A text to copy, with its name; `attributes` are of its button. */
export function copyable(name, text, attributes = {}) {
  const value = element("input", { readonly: true, value: text, class: "code", onfocus: () => value.select() });
  const copy = button("Copy", async () => {
    value.select();
    await navigator.clipboard.writeText(text).then(
      () => (copy.textContent = "Copied"),
      () => value.focus(),
    );
  }, attributes);
  const labelled = field(name, value);
  copy.setAttribute("aria-describedby", labelId(value));
  // Browsers give the clipboard to pages of https and of this machine only.
  return element("div", { class: "line" }, labelled, navigator.clipboard && copy);
}

/** Shows something until it is closed; `actions` are further buttons. Returns the dialog. */
export function showDialog(title, content, actions = []) {
  const dialog = frame(title, content);
  const done = button("Done", () => dialog.close(), { class: "primary", autofocus: true });
  dialog.append(element("div", { class: "buttons" }, ...actions, done));
  dialog.showModal();
  return dialog;
}

function frame(title, content) {
  const id = uniqueId("title");
  const dialog = element("dialog", { "aria-labelledby": id }, element("h2", { id }, title), ...content.filter(Boolean));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  return dialog;
}
