// The webhook on the page of a device: the address to which its messages are posted. Nothing is asked before it is
// opened: most devices have none. Its secret is shown when it is made, and never again.

import { announce } from "../announce.js";
import { devicePath } from "../api.js";
import { confirm, copyable, formDialog, showDialog } from "../dialogs.js";
import { anchor, button, element, field, numberInput, textInput } from "../dom.js";
import { given } from "../fault.js";
import { ago, number, time } from "../format.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";
import { address } from "../routes.js";

/** Why there was no answer, in words. */
const ERRORS = {
  timeout: "no answer in time",
  redirect: "it redirects, which is not followed",
  connect: "it cannot be reached, or the connection broke",
  address: "no request is made to such an address",
};

export function webhook(api, device) {
  const path = `${devicePath(device)}/webhook`;

  async function load() {
    const found = await api.get(path).catch((error) => {
      if (error.code !== "unknown_webhook") throw error;
    });
    if (!found) {
      return [
        empty(`${device} has no webhook. With one, its messages are posted to an HTTPS address.`),
        element("div", { class: "buttons" }, button("Set a webhook", () => set())),
      ];
    }
    return [
      factsOf(found),
      element(
        "div",
        { class: "buttons" },
        button("Test", ({ currentTarget }) => tried(currentTarget)),
        button("Change", () => set(found)),
        button("New secret", rotate),
        button("Remove", remove, { class: "danger" }),
      ),
      triesOf(found),
    ];
  }

  const tried = (control) =>
    panel.attempt(async () => {
      const { status, ms, error } = await api.request("POST", `${path}/test`);
      announce(`The address of ${device}: ${outcome({ status, ms, error })}`);
      await panel.reload();
    }, control);

  function set(known) {
    const url = textInput("https://backend.example.org/hook");
    const width = numberInput("1");
    const timeout = numberInput("15");
    const receipts = element("input", { type: "checkbox", checked: known?.events.includes("receipt") ?? false });
    if (known) [url.value, width.value, timeout.value] = [known.url, known.max_in_flight, known.timeout];
    formDialog(`Webhook of ${device}`, {
      content: [
        element(
          "div",
          { class: "options" },
          field("Address", url, { class: "field wide" }),
          field("Requests at a time", width),
          field("Seconds to answer", timeout),
        ),
        element("label", { class: "check" }, receipts, " Post receipts of what it sends, too"),
      ],
      action: "Set",
      submit: async () => {
        // An address that takes receipts only still does.
        const messages = !known || known.events.includes("message") || !receipts.checked;
        const body = {
          url: given(url, "Enter an address"),
          ...member("max_in_flight", width),
          ...member("timeout", timeout),
          events: [messages && "message", receipts.checked && "receipt"].filter(Boolean),
        };
        const { secret } = await api.request("PUT", path, { body: JSON.stringify(body) });
        announce(`The webhook of ${device} is set`);
        panel.reload();
        return () => secret && show(secret);
      },
    });
  }

  const rotate = () =>
    panel.attempt(async () => {
      const text = "The old one signs as well for another 24 hours: time to change it at the receiver.";
      if (!(await confirm(`Make a new secret for ${device}?`, text, "Make", { isHarmless: true }))) return;
      const { secret } = await api.request("POST", `${path}/rotate`);
      show(secret);
    });

  const remove = () =>
    panel.attempt(async () => {
      const text = "Nothing is posted any more. Its messages are held until it connects, polls, or has a webhook again.";
      if (!(await confirm(`Remove the webhook of ${device}?`, text, "Remove"))) return;
      await api.request("DELETE", path);
      announce(`${device} has no webhook any more`);
      await panel.reload();
    });

  const show = (secret) =>
    showDialog(`Secret of ${device}`, [
      element(
        "p",
        {},
        "Whoever has this secret can write requests that look like those of the service: keep it as you keep a password. It is not shown again.",
      ),
      copyable("Secret", secret),
    ]);

  const panel = new Panel("Webhook", { load, isClosed: true });
  return panel.element;
}

function factsOf({ url, max_in_flight, timeout, events, disabled }) {
  const posted = events.map((event) => (event === "message" ? "messages" : "receipts")).join(" and ");
  const rows = [
    ["Address", element("span", { class: "code" }, url)],
    ["Posted", `${posted}, ${max_in_flight} at a time, ${timeout} s to answer`],
    disabled && ["Disabled", `it answered ${disabled.status} ${ago(disabled.at)}; messages are held until it is set again`],
  ].filter(Boolean);
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** The last requests, the newest first. */
function triesOf({ tries }) {
  if (tries.length === 0) return empty("It has not been tried yet.");
  const entries = tries.map((tried) => {
    const of = tried.id ? anchor("message", address("messages", tried.id)) : tried.type;
    const when = element("time", { class: "muted small", datetime: new Date(tried.at).toISOString(), title: time(tried.at) }, ago(tried.at));
    return element("li", { class: "entry" }, element("span", { class: "name" }, element("span", {}, of, `: ${outcome(tried)}`)), when);
  });
  return element("ol", { class: "entries", "aria-label": "Last tries" }, ...entries);
}

function outcome({ status, error, ms }) {
  return error ? (ERRORS[error] ?? error) : `answered ${status} after ${number(ms)} ms`;
}

/** A member of a request, if a number was entered. Anything else is refused by name. */
function member(name, control) {
  const value = control.value.trim();
  return value === "" ? {} : { [name]: /^\d+$/.test(value) ? Number(value) : value };
}
