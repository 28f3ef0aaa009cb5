// One device as its operator sees it. To look at it changes nothing: the device stays connected, and no message counts
// as sent.

import { bindingPath, devicePath } from "../api.js";
import { announce } from "../announce.js";
import { addForm } from "../add-form.js";
import { actAs } from "../devices/act-as.js";
import { addPhone } from "../devices/pairing.js";
import { phones } from "../devices/phones.js";
import { queue } from "../devices/queue.js";
import { sent } from "../devices/sent.js";
import { newToken } from "../devices/mint.js";
import { webPush } from "../devices/web-push.js";
import { confirm } from "../dialogs.js";
import { anchor, button, element, icon } from "../dom.js";
import { ago, bytes, number, time } from "../format.js";
import { presenceMark } from "../list/presence.js";
import { Panel } from "../panel.js";
import { address } from "../routes.js";
import { sendDialog } from "../send/send.js";
import { closable, missing, pageHead, refreshButton } from "./page.js";

export function devicePage({ api, play }, device) {
  const page = element("div", { class: "page" });
  const waiting = queue(api, device);
  const sending = sent(api, device);
  let status;

  const facts = new Panel("Status", {
    load: async () => {
      status = await api.get(devicePath(device)).catch((error) => {
        if (error.code !== "unknown_device" && error.code !== "bad_request") throw error;
        gone();
      });
      if (!status) return [];
      mark.replaceChildren(presenceMark(status.online));
      tags.replaceChildren(...status.tags.map(chip));
      return [factsOf(status)];
    },
  });
  const attempt = (work) => facts.attempt(work);
  const mark = element("span");

  const tags = element("ul", { class: "chips" });
  const chip = (tag) =>
    element(
      "li",
      {},
      anchor(tag, address("tags", tag)),
      element("button", { type: "button", class: "bare", "aria-label": `Unbind ${tag}`, onclick: () => unbind(tag) }, icon("close")),
    );
  const bind = async (tag) => {
    await api.request("PUT", bindingPath(tag, device));
    announce(`${device} has the tag ${tag}`);
    await facts.reload();
  };
  const unbind = (tag) =>
    attempt(async () => {
      await api.request("DELETE", bindingPath(tag, device));
      announce(`${device} no longer has the tag ${tag}`);
      facts.focus();
      await facts.reload();
    });
  const revoke = () =>
    attempt(async () => {
      const text = "Every token issued to it so far stops working immediately, and so does a link for a phone. Its connection is closed.";
      if (!(await confirm(`Revoke the tokens of ${device}?`, text, "Revoke"))) return;
      await api.request("DELETE", `${devicePath(device)}/tokens`);
      announce(`The tokens of ${device} are revoked`);
      await facts.reload();
    });
  const remove = () =>
    attempt(async () => {
      const text = "Its tags, its tokens and the messages held for it are deleted. Their senders get a receipt. What it sent is forgotten.";
      if (!(await confirm(`Delete ${device}?`, text, "Delete"))) return;
      await api.request("DELETE", devicePath(device));
      announce(`${device} is deleted`);
      if (page.isConnected) location.hash = address("devices");
    });
  const act = () =>
    attempt(async () => {
      // It may have come online since the page was opened.
      const { online } = await api.get(devicePath(device));
      await actAs(play, device, { isOnline: online && !play.has(device) });
    });

  async function open() {
    await facts.reload();
    if (!status) return;
    await Promise.all([waiting.reload(), sending.reload()]);
  }

  const side = [
    facts.element,
    closable("Tags", tags, addForm({ label: `Bind ${device} to a tag`, action: "Bind", add: bind })),
    phones(api, device),
    webPush(api, device),
    closable(
      "Access",
      element(
        "div",
        { class: "buttons" },
        button("New token", () => newToken(api, device)),
        button("Act as this device", act),
        button("Revoke tokens", revoke),
        button("Delete", remove, { class: "danger" }),
      ),
    ),
  ];
  const head = pageHead(device, {
    up: ["Devices", address("devices")],
    beside: [mark],
    actions: [
      refreshButton(open),
      button("Add a phone", () => attempt(() => addPhone(api, device))),
      button("Send a message", () => sendDialog(api, "device", device), { class: "primary" }),
    ],
  });
  const body = element("div", { class: "columns" }, element("div", {}, waiting.element, sending.element), element("div", {}, ...side));
  page.append(head, body);

  return {
    title: device,
    element: page,
    start: open,
  };

  function gone() {
    page.replaceChildren(missing(`There is no device ${device}`, "Nothing was created. Check its name.", "All devices", "devices"));
    page.querySelector("h1").focus();
  }
}

function factsOf(status) {
  const since = status.online && status.connected_at ? `online since ${time(status.connected_at)}` : undefined;
  const seen = status.last_seen_at ? `${time(status.last_seen_at)}, ${ago(status.last_seen_at)}` : "never";
  const waiting = [
    `${number(status.held)} held`,
    `${number(status.in_flight)} in flight`,
    `${number(status.in_progress)} in progress`,
    bytes(status.held_bytes),
  ];
  const rows = [
    ["Presence", presenceMark(status.online, since)],
    ["Last seen", seen],
    ["Queue", waiting.join(", ")],
  ];
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
