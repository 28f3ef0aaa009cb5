// The two modal dialogs: confirming an action, and showing a new token.

import { button, element, field, uniqueId } from "./dom.js";

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
  const value = element("input", { readonly: true, value: token, class: "code", onfocus: () => value.select() });
  const dialog = frame(`Token of ${device}`, [
    element("p", {}, "The service does not store it. Copy it now; if you lose it, create a new one."),
    field("Token", value),
  ]);
  const copy = button("Copy", async () => {
    value.select();
    await navigator.clipboard.writeText(token).then(
      () => (copy.textContent = "Copied"),
      () => value.focus(),
    );
  });
  dialog.append(
    element(
      "div",
      { class: "buttons" },
      // Browsers give the clipboard to pages of https and of this machine only.
      navigator.clipboard && copy,
      button("Done", () => dialog.close(), { class: "primary", autofocus: true }),
    ),
  );
  dialog.showModal();
}

function frame(title, content) {
  const id = uniqueId("title");
  const dialog = element("dialog", { "aria-labelledby": id }, element("h2", { id }, title), ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  return dialog;
}
