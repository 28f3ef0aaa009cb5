// The form by which a message is sent.
//
// It is published over HTTP, with a key, so that a publish that was not answered can be repeated without a second
// message. The service checks the input.

import { Unanswered, devicePath, freshKey, isSendable, tagPath } from "../api.js";
import { element, field, uniqueId } from "../dom.js";
import { isBrokenJson, typed } from "../format.js";
import { Options } from "./options.js";

/**
 * `to`: whom it goes to unless that is changed. `before`: what stands above, `actions`: further buttons.
 * `from(target)` returns the [Api] of the device that sends it, or throws a [Fault]. `sent(answer, text)` is called for
 * each publish that was answered.
 *
 * @typedef {{ kind: "tag" | "device" | "expression", address: string, escalate: string }} Target
 */
export function compose({ to: { kind: given = "tag", address: known = "" } = {}, before = [], actions = [], from, sent }) {
  const [errorId, hintId] = [uniqueId("error"), uniqueId("hint")];
  const kinds = [["tag", "Tag"], ["device", "Device"], ["expression", "Expression"]];
  const kind = element("select", {}, ...kinds.map(([value, label]) => element("option", { value }, label)));
  kind.value = given;
  const to = element("input", { value: known, spellcheck: "false", autocapitalize: "none", autocomplete: "off", "aria-describedby": errorId });
  const message = element("textarea", { rows: "2", spellcheck: "false", placeholder: '{"ring": true}', "aria-describedby": `${hintId} ${errorId}` });
  const hint = element("p", { class: "muted small hint", id: hintId });
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
      const api = await from({ kind: kind.value, address, escalate: asked.escalate ?? "" });
      const answer = await api.request("POST", messagesPath(kind.value, address), { headers, body: message.value });
      key = freshKey();
      sent(answer, message.value);
    } catch (failure) {
      if (failure instanceof Unanswered) return fail(`${failure.message}. Send again: the message will not be sent twice.`, submit);
      key = freshKey();
      fail(failure.message, failure.control ?? message);
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
    ...before,
    element("div", { class: "line" }, field("Kind of address", kind, { class: "field kind" }), field("Send to", to)),
    field("Message, JSON or text", message),
    hint,
    element("div", { class: "line" }, options.element, ...actions, submit),
    error,
  );
  // What is changed is another message, which needs another key.
  form.addEventListener("input", () => (key = freshKey()));
  message.addEventListener("input", () => (hint.textContent = isBrokenJson(message.value) ? "This is not valid JSON. It is sent as text." : ""));
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

function messagesPath(kind, address) {
  if (kind === "expression") return "v1/messages";
  return `${kind === "tag" ? tagPath(address) : devicePath(address)}/messages`;
}
