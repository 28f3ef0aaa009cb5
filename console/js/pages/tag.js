// One tag: its devices with their presence, fifty at a time.

import { bindingPath, query, tagPath } from "../api.js";
import { announce } from "../announce.js";
import { anchor, button, element } from "../dom.js";
import { addForm } from "../add-form.js";
import { failures } from "../failures/failures.js";
import { Panel } from "../panel.js";
import { pages } from "../list/pages.js";
import { presenceMark } from "../list/presence.js";
import { address } from "../routes.js";
import { sendDialog } from "../send/send.js";
import { empty, pageHead, refreshButton } from "./page.js";

/** The largest page for which the service gives presence. */
const PAGE = 50;
/** How many failures are shown at first. */
const FIRST = 5;

export function tagPage({ api }, tag, asked) {
  const page = element("div", { class: "page" });
  const members = pages({
    load: async (cursor) => {
      const { devices, next } = await api.get(query(tagPath(tag), { presence: true, limit: PAGE, cursor }));
      return { rows: devices.map(member), next };
    },
    attempt: (work, control) => panel.attempt(work, control),
  });

  function member({ device, online }) {
    const remove = () =>
      panel.attempt(async () => {
        await api.request("DELETE", bindingPath(tag, device));
        announce(`${device} no longer has the tag ${tag}`);
        panel.focus();
        const list = row.parentElement;
        row.remove();
        if (!list.hasChildNodes()) await panel.reload();
      });
    const row = element(
      "li",
      { class: "entry" },
      anchor(device, address("devices", device), { class: "name" }),
      presenceMark(online),
      button("Unbind", remove, { "aria-label": `Unbind ${device}`, class: "small-button" }),
    );
    return row;
  }

  const none = () => empty(`No device has the tag ${tag}. A tag exists as long as a device has it.`);
  const panel = new Panel("Devices", {
    load: () =>
      members.begin(none).catch((error) => {
        if (error.code !== "unknown_tag") throw error;
        return [none()];
      }),
    actions: [refreshButton(() => panel.reload())],
  });
  const bind = addForm({
    label: `Bind a device to ${tag}`,
    action: "Bind",
    add: async (device) => {
      await api.request("PUT", bindingPath(tag, device));
      announce(`${device} has the tag ${tag}`);
      await panel.reload();
    },
  });
  const failed = failures(api, { wanted: { tag }, names: ["state", "device", "sender"], query: asked, first: FIRST });
  page.append(
    pageHead(tag, {
      up: ["Tags", address("tags")],
      actions: [button("Send a message", () => sendDialog(api, "tag", tag), { class: "primary" })],
    }),
    panel.element,
    element("section", { class: "card", "aria-label": "Bind a device" }, bind),
    failed.element,
  );
  return { title: tag, element: page, start: () => Promise.all([panel.reload(), failed.reload()]) };
}
