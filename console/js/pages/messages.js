// Messages: one by its id, or those that a device sent, newest first. The service keeps no list of all messages: each
// is known to the mailbox of its sender.

import { addForm } from "../add-form.js";
import { element } from "../dom.js";
import { sent } from "../devices/sent.js";
import { findMessage } from "../message/find.js";
import { keepInAddress } from "../routes.js";
import { pageHead, refreshButton } from "./page.js";

export function messagesPage({ api }, _name, query) {
  const place = element("div");
  let list;
  const show = (device) => {
    list = sent(api, device, `Sent by ${device}`);
    place.replaceChildren(list.element);
    return list.reload();
  };
  const bySender = addForm({
    label: "List what a device sent",
    action: "List",
    add: (device) => {
      keepInAddress({ device });
      return show(device);
    },
  });
  return {
    title: "Messages",
    element: element(
      "div",
      { class: "page" },
      pageHead("Messages", { actions: [refreshButton(() => list?.reload())] }),
      element("section", { class: "card panel stack" }, findMessage(), bySender),
      place,
    ),
    start: () => query.get("device") && show(query.get("device")),
  };
}
