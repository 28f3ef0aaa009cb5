// A form of one value and one button.

import { element, field, uniqueId } from "./dom.js";

/** `add(value)` does the work; what it throws is shown below, and the value stays to be corrected. */
export function addForm({ label, action, secret = false, add }) {
  const errorId = uniqueId("error");
  const input = element("input", {
    type: secret ? "password" : "text",
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "off",
    "aria-describedby": errorId,
  });
  const error = element("p", { class: "error", id: errorId, role: "alert" });
  const submit = element("button", {}, action);
  const fail = (text) => {
    error.textContent = text;
    input.setAttribute("aria-invalid", text !== "");
  };
  const onsubmit = async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) {
      fail(`${label} is empty`);
      input.focus();
      return;
    }
    submit.disabled = true;
    fail("");
    try {
      await add(value);
      input.value = "";
    } catch (failure) {
      fail(failure.message);
      input.focus();
    } finally {
      submit.disabled = false;
    }
  };
  return element(
    "form",
    { class: "add", novalidate: true, onsubmit },
    element("div", { class: "line" }, field(label, input), submit),
    error,
  );
}
