// The modal dialogs: asking before something that cannot be undone, forms, and what the service will not show again.

import { button, element, field, labelId, uniqueId } from "./dom.js";

/**
 * Asks before something that cannot be undone, and returns whether it is to be done. `tick`: what has to be ticked
 * first.
 */
export function confirm(title, text, action, { tick, isHarmless = false } = {}) {
  return new Promise((resolve) => {
    const go = button(action, () => close(true), { class: isHarmless ? "primary" : "danger", disabled: tick !== undefined });
    const box = element("input", { type: "checkbox", onchange: () => (go.disabled = !box.checked) });
    const dialog = frame(title, [
      element("p", {}, text),
      tick !== undefined && element("label", { class: "check" }, box, ` ${tick}`),
    ]);
    const close = (answer) => {
      resolve(answer);
      dialog.close();
    };
    dialog.append(element("div", { class: "buttons" }, button("Cancel", () => close(false), { autofocus: true }), go));
    dialog.addEventListener("close", () => resolve(false));
    dialog.showModal();
  });
}

/** A form. `submit()` does the work and may return what is to happen once it is closed; what it throws is shown. */
export function formDialog(title, { content, action, submit }) {
  const error = element("p", { class: "error", role: "alert", id: uniqueId("error") });
  const go = element("button", { class: "primary" }, action);
  const onsubmit = async (event) => {
    event.preventDefault();
    error.textContent = "";
    go.disabled = true;
    try {
      const after = await submit();
      dialog.close();
      after?.();
    } catch (failure) {
      error.textContent = failure.message;
      (failure.control ?? go).focus();
    } finally {
      go.disabled = false;
    }
  };
  const dialog = frame(title, [
    element(
      "form",
      { class: "stack", novalidate: true, onsubmit },
      ...content,
      error,
      element("div", { class: "buttons" }, button("Cancel", () => dialog.close()), go),
    ),
  ]);
  dialog.showModal();
  return dialog;
}

/** A text to copy, with its name; `attributes` are of its button. */
export function copyable(name, text, attributes = {}) {
  const lines = text.split("\n").length;
  const onfocus = () => value.select();
  const value =
    lines === 1
      ? element("input", { readonly: true, value: text, class: "code", onfocus })
      : element("textarea", { readonly: true, rows: lines, wrap: "off", class: "code", onfocus }, text);
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

/** A dialog whose content has what closes it. */
export function openDialog(title, content) {
  const dialog = frame(title, content);
  dialog.showModal();
  return dialog;
}

/** Shows something until it is closed; `actions` are further buttons. Returns the dialog. */
export function showDialog(title, content, actions = []) {
  const dialog = frame(title, content);
  const close = button("Done", () => dialog.close(), { class: "primary", autofocus: true });
  dialog.append(element("div", { class: "buttons" }, ...actions, close));
  dialog.showModal();
  return dialog;
}

function frame(title, content) {
  const id = uniqueId("title");
  const dialog = element("dialog", { "aria-labelledby": id }, element("h2", { id }, title), ...content.filter(Boolean));
  dialog.addEventListener("close", () => dialog.remove());
  // What a dialog is about is left with the page.
  addEventListener("hashchange", () => dialog.close(), { once: true });
  document.body.append(dialog);
  return dialog;
}
