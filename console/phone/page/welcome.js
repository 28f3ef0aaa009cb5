// What a phone shows that is no device: how it becomes one.

import { element, field } from "../../js/dom.js";
import { codeIn } from "./code.js";
import { needsHomeScreen } from "./platform.js";
import { numbered, setName, setStatus, show, statement } from "./view.js";

const STEPS = ["In your tagpost console, open a device.", "Press “Add a phone”.", "Scan the code with this phone."];
const HOME_SCREEN = ["Tap Share, then “Add to Home Screen”.", "Open tagpost from the home screen.", "Paste the pairing link there."];

/** @param {{ wasRefused?: boolean, pair: (code: string) => void }} options `wasRefused`: it was a device before */
export function showWelcome({ wasRefused = false, pair }) {
  setName();
  setStatus();
  const title = wasRefused ? "This phone is no longer paired" : "Pair this phone";
  const text = wasRefused
    ? "Its token was revoked or has expired. Pair it again to get its messages."
    : "Messages come here as notifications, and you answer them with a tap.";
  show(statement("phone", title, [text], numbered(needsHomeScreen ? HOME_SCREEN : STEPS), pasteForm(pair)));
}

/** An app on the home screen opens no links, and a desktop has no camera. */
function pasteForm(pair) {
  const text = element("input", { autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": "link-error" });
  const error = element("p", { class: "error", role: "alert", id: "link-error" });
  const onsubmit = (event) => {
    event.preventDefault();
    const code = codeIn(text.value);
    if (code === undefined) {
      text.setAttribute("aria-invalid", "true");
      error.textContent = text.value.trim() === "" ? "Paste the link first." : "This is not a pairing link. It ends in # and a code.";
      return text.focus();
    }
    text.value = "";
    pair(code);
  };
  return element("form", { class: "paste", novalidate: true, onsubmit }, field("Or paste the pairing link", text), error, element("button", { class: "primary" }, "Pair"));
}
