// Hooks on the page of a device: URLs for services that can only call a URL. The service stores none, so none is listed.

import { announce } from "../announce.js";
import { devicePath } from "../api.js";
import { confirm, copyable, formDialog, showDialog } from "../dialogs.js";
import { button, element, field, numberInput, select, textInput } from "../dom.js";
import { given } from "../fault.js";
import { Panel } from "../panel.js";
import { qrCode } from "../qr.js";

const NO_PUSH_KEY = "The service has no PUSH_KEY, and so no hooks.";
const TEMPLATES = [
  ["Raw: pass the body on", "raw"],
  ["Text", "text"],
  ["GitHub", "github"],
  ["Grafana", "grafana"],
];
const URGENCIES = ["very-low", "low", "normal", "high"].map((name) => [name, name]);

export function hooks(api, device) {
  const path = `${devicePath(device)}/hooks`;

  const request = (method, options) =>
    api.request(method, path, options).catch((error) => {
      // Without a key no hook is served.
      throw error.code === "not_found" ? new Error(NO_PUSH_KEY) : error;
    });

  const revoke = () =>
    panel.attempt(async () => {
      const text = "Every hook made for it so far answers 404 from then on. Its tokens stay valid.";
      if (!(await confirm(`Revoke all hooks of ${device}?`, text, "Revoke"))) return;
      await request("DELETE");
      announce(`All hooks of ${device} are revoked`);
    });

  const load = async () => [
    element("p", { class: "muted small" }, `What is posted to a hook is published as ${device}. GitHub, Grafana or a script needs nothing else.`),
    element(
      "div",
      { class: "buttons" },
      button("New hook", () => newHook(device, (body) => request("POST", { body }))),
      button("Revoke all hooks", revoke, { class: "danger" }),
    ),
  ];
  const panel = new Panel("Hooks", { load, isClosed: true });
  return panel.element;
}

/** Asks what a hook is to do. `make(body)` makes it. */
function newHook(device, make) {
  const kind = select([["tag", "tag"], ["device", "device"]]);
  const target = textInput("phones");
  const template = select(TEMPLATES);
  const label = textInput("none");
  const ttl = numberInput("86400");
  const topic = textInput("none");
  const urgency = select(URGENCIES);
  urgency.value = "normal";
  formDialog(`New hook of ${device}`, {
    content: [
      element(
        "div",
        { class: "options" },
        field("To", kind),
        field("Tag or device", target),
        field("Template", template, { class: "field wide" }),
        field("Label", label),
        field("Time to live in seconds", ttl),
        field("Topic", topic),
        field("Urgency", urgency),
      ),
    ],
    action: "Make hook",
    submit: async () => {
      const to = { [kind.value]: given(target, "Enter the name of a tag or device") };
      const body = {
        to,
        template: template.value,
        urgency: urgency.value,
        ...optional("name", label),
        ...optional("topic", topic),
        // What is no number is refused by name.
        ...optional("ttl", ttl, (value) => (/^\d+$/.test(value) ? Number(value) : value)),
      };
      const { url } = await make(JSON.stringify(body));
      return () => showHook(device, `${kind.value} ${target.value.trim()}`, url);
    },
  });
}

/** Shows a hook, which the service does not store. */
function showHook(device, target, url) {
  showDialog(`Hook of ${device}`, [
    element(
      "p",
      {},
      `Whoever has this URL publishes as ${device} to the ${target}: keep it as you keep a token. The service does not store it. ` +
        "“Revoke all hooks” ends it, with all hooks of the device, and so does “Revoke tokens”.",
    ),
    copyable("URL", url),
    qrCode(url, "QR code of the URL"),
  ]);
}

/** A member of a request, if something was entered. */
function optional(name, control, read = (value) => value) {
  const value = control.value.trim();
  return value === "" ? {} : { [name]: read(value) };
}
