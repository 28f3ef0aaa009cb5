// Sending a message as the operator, who is no device: the operator names the device that sends it, and the console
// makes a token of that device, which permits this and nothing else.

import { Api, devicePath } from "../api.js";
import { openDialog } from "../dialogs.js";
import { button, element, field } from "../dom.js";
import { Fault, given } from "../fault.js";
import { address as pageAddress } from "../routes.js";
import { compose } from "./compose.js";

/** Seconds that the token is valid. */
const VALIDITY = 60;

/** The device that sent the last message. */
let last = "";

/** Opens the form. `kind` and `address`: whom the message goes to, unless that is changed. */
export function sendDialog(api, kind, address) {
  const sender = element("input", { value: last, spellcheck: "false", autocapitalize: "none", autocomplete: "off" });
  const explained = "The message comes from this device. The console makes a token of it that is valid for a minute, and may publish to these recipients only.";

  async function from(target) {
    const device = given(sender, "Enter the device to send as");
    // To make a token for a device creates it: a typing error has to end here.
    await api.get(devicePath(device)).catch((error) => {
      throw error.code === "unknown_device" ? new Fault(`There is no device ${device}`, sender) : error;
    });
    const grant = JSON.stringify({ publish: patterns(target), expires_in: VALIDITY });
    const { token } = await api.request("PUT", devicePath(device), { body: grant });
    last = device;
    return new Api(token);
  }

  const dialog = openDialog(`Send to ${kind === "device" ? "@" : ""}${address}`, [
    compose({
      to: { kind, address },
      before: [field("From device", sender), element("p", { class: "muted small" }, explained)],
      actions: [button("Close", () => dialog.close())],
      from,
      sent: ({ id }) => {
        if (!dialog.open) return;
        dialog.close();
        location.hash = pageAddress("messages", id);
      },
    }),
  ]);
  dialog.querySelector("input").focus();
}

/** What a token has to permit for these recipients, those of an escalation included. */
function patterns({ kind, address, escalate }) {
  const own = kind === "device" ? [`@${address}`] : kind === "tag" ? [address] : names(address);
  const further = escalate.split(",").flatMap((step) => names(step.split(";")[0]));
  return [...new Set([...own, ...further])];
}

/** The tags and devices of an expression. */
const names = (expression) => expression.match(/@?[A-Za-z0-9][A-Za-z0-9._:-]*/g) ?? [];
