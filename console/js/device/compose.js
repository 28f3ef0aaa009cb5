// The form by which a device publishes.
//
// It publishes over HTTP, with a key, so that a publish that was not answered can be repeated without a second
// message. The relay checks the input.

import { Unanswered, devicePath, isSendable, tagPath } from "../api.js";
import { element, field, uniqueId } from "../dom.js";
import { typed } from "../format.js";
import { Options } from "./options.js";

/** `sent(answer, text)` is called for each publish that was answered. */
export function compose(api, { tag = "", sent }) {
  const errorId = uniqueId("error");
  const kind = element("select", {}, element("option", { value: "tag" }, "Tag"), element("option", { value: "device" }, "Device"), element("option", { value: "expression" }, "Expression"));
  kind.setAttribute("aria-label", "Kind of address");
  const to = element("input", { value: tag, spellcheck: "false", autocapitalize: "none", autocomplete: "off", "aria-describedby": errorId });
  const message = element("textarea", { rows: "2", spellcheck: "false", placeholder: '{"ring": true}', "aria-describedby": errorId });
  const options = new Options();
  const error = element("p", { class: "error", id: errorId, role: "alert" });
  const submit = element("button", { class: "primary" }, "Send");
  let key = freshKey();

  async function onsubmit(event) {
    event.preventDefault();
    error.textContent = "";
    const address = to.value.trim();
    if (!address) return fail(`Enter the ${kind.value} to send to`, to);
    if (!isSendable(address)) return fail(`The ${kind.value} may contain only ASCII characters`, to);
    if (!message.value) return fail("Enter the message to send", message);
    const { headers: asked, fault, control } = options.read();
    if (fault) return fail(fault, control);
    const { isJson } = typed(message.value);
    const headers = {
      ...asked,
      "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
      "idempotency-key": key,
      // Not to wait for the acknowledgement is what lets every state be seen.
      prefer: "wait=0",
    };
    if (kind.value === "expression") headers.to = address;
    submit.disabled = true;
    try {
      const answer = await api.request("POST", messagesPath(kind.value, address), { headers, body: message.value });
      key = freshKey();
      sent(answer, message.value);
    } catch (failure) {
      if (failure instanceof Unanswered) return fail(`${failure.message}. Send again: the message will not be sent twice.`, submit);
      key = freshKey();
      fail(failure.message, message);
    } finally {
      submit.disabled = false;
    }
  }

  function fail(text, control) {
    error.textContent = text;
    control.focus();
  }

  const form = element(
    "form",
    { class: "compose", novalidate: true, onsubmit },
    element("div", { class: "line" }, kind, field("Send to", to)),
    field("Message, JSON or text", message),
    element("div", { class: "line" }, options.element, submit),
    error,
  );
  // What is changed is another message, which needs another key.
  form.addEventListener("input", () => (key = freshKey()));
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

function messagesPath(kind, address) {
  if (kind === "expression") return "v1/messages";
  return `${kind === "tag" ? tagPath(address) : devicePath(address)}/messages`;
}

/** Not `randomUUID`, which is missing on pages served over plain http. */
function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
