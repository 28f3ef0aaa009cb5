// The operator's tags: all of them in a list, the members of one in detail.

import { tagPath } from "../api.js";
import { announce } from "../announce.js";
import { element } from "../dom.js";
import { plural } from "../format.js";
import { Names } from "./names.js";
import { tagDetail } from "./tag-detail.js";

export function tags(api) {
  const sizes = new Map();
  const detail = element("div", { class: "detail-place" });

  const names = new Names({
    label: "Tags",
    load: async function* () {
      for await (const page of api.pages("v1/tags")) {
        for (const { tag, devices } of page.tags) sizes.set(tag, devices);
        yield page.tags.map(({ tag }) => tag);
      }
    },
    fill: (row, tag) =>
      row.replaceChildren(
        element("span", { class: "name" }, tag),
        element("span", { class: "muted small" }, plural(sizes.get(tag) ?? 0, "device")),
      ),
    open: show,
  });

  async function bind(tag, device) {
    await api.request("PUT", `${tagPath(tag)}/devices/${encodeURIComponent(device)}`);
    announce(`${device} has the tag ${tag}`);
    await names.reload();
  }

  async function unbind(tag, device) {
    await api.request("DELETE", `${tagPath(tag)}/devices/${encodeURIComponent(device)}`);
    announce(`${device} no longer has the tag ${tag}`);
    await names.reload();
    if (names.has(tag)) return;
    detail.replaceChildren();
    names.list.element.focus();
  }

  function show(tag) {
    names.list.selected = tag;
    const shown = tagDetail(api, tag, { bind: (device) => bind(tag, device), unbind: (device) => unbind(tag, device) });
    detail.replaceChildren(shown);
    shown.querySelector("h2").focus();
  }

  return {
    element: element("div", { class: "directory-part" }, names.element, detail),
    start: () => names.reload(),
  };
}
