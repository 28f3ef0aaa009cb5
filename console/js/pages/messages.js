// Messages: one by its id, or those that a device sent, newest first. The service keeps no list of all messages: each
// is known to the mailbox of its sender.

import { addForm } from "../add-form.js";
import { element } from "../dom.js";
import { sent } from "../devices/sent.js";
import { address, keepInAddress } from "../routes.js";
import { pageHead } from "./page.js";

export function messagesPage({ api }, _name, query) {
  const place = element("div", {});
  const show = (device) => {
    const list = sent(api, device, `Sent by ${device}`);
    place.replaceChildren(list.element);
    list.reload();
  };
  const byId = addForm({
    label: "Message id",
    action: "Open",
    add: (id) => (location.hash = address("messages", id)),
  });
  const bySender = addForm({
    label: "Sent by the device",
    action: "List",
    add: (device) => {
      keepInAddress({ device });
      show(device);
    },
  });
  return {
    title: "Messages",
    element: element("div", { class: "page" }, pageHead("Messages"), element("section", { class: "card panel stack" }, byId, bySender), place),
    start: () => query.get("device") && show(query.get("device")),
  };
}
