// New devices and new tokens: what a token permits is asked first, and the token is shown once.

import { SERVICE, devicePath } from "../api.js";
import { copyable, formDialog, showDialog } from "../dialogs.js";
import { element, field } from "../dom.js";
import { Fault, given } from "../fault.js";
import { qrCode } from "../qr.js";
import { address } from "../routes.js";
import { grantFields } from "./grant.js";

/** The longest token, in characters, that is shown as a QR code: cameras do not read denser ones from a screen. */
const MAX_SCANNED = 1000;

/** Asks for the name of a device. `exists(name)` says whether it is taken. */
export function newDevice(api, { exists }) {
  const name = element("input", { spellcheck: "false", autocapitalize: "none", autocomplete: "off" });
  const grant = grantFields();
  formDialog("New device", {
    content: [
      field("Name", name),
      element("p", { class: "muted small" }, "It gets a token, which is shown once. A lost or stolen token does less harm if it permits less."),
      grant.fields,
    ],
    action: "Add",
    submit: async () => {
      const device = given(name, "Enter the name of the device");
      if (exists(device)) throw new Fault(`There is a device ${device} already`, name);
      const { token } = await api.request("PUT", devicePath(device), { body: grant.read() });
      return () => {
        // The dialog would close with the page that it was opened on.
        addEventListener("hashchange", () => showToken(device, token), { once: true });
        location.hash = address("devices", device);
      };
    },
  });
}

/** Asks what a further token of a device is to permit. */
export function newToken(api, device) {
  const grant = grantFields();
  formDialog(`New token of ${device}`, {
    content: [element("p", { class: "muted" }, "Its tokens stay valid."), grant.fields],
    action: "Create token",
    submit: async () => {
      const { token } = await api.request("PUT", devicePath(device), { body: grant.read() });
      return () => showToken(device, token);
    },
  });
}

/** Shows a token, which the service does not store and will not show again. */
function showToken(device, token) {
  showDialog(`Token of ${device}`, [
    element("p", {}, "The service does not store it. Copy it now; if you lose it, create a new one."),
    copyable("Token", token),
    copyable("To listen with it, paste", `export TAGPOST_URL=${SERVICE}\nTAGPOST_TOKEN=${token} tagpost listen`),
    token.length <= MAX_SCANNED && qrCode(token, "QR code of the token"),
  ]);
}
