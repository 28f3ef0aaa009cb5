// All tags in a list.

import { button, element, field } from "../dom.js";
import { formDialog } from "../dialogs.js";
import { plural } from "../format.js";
import { Names } from "../list/names.js";
import { bindingPath } from "../api.js";
import { given } from "../fault.js";
import { address } from "../routes.js";
import { pageHead, refreshButton } from "./page.js";

export function tagsPage({ api, memory }) {
  const sizes = new Map();
  const names = new Names({
    noun: "tags",
    memory: memory("tags"),
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
    open: (tag) => (location.hash = address("tags", tag)),
  });
  return {
    title: "Tags",
    element: element(
      "div",
      { class: "page" },
      pageHead("Tags", {
        actions: [refreshButton(() => names.reload()), button("New tag", () => newTag(api), { class: "primary" })],
      }),
      names.element,
    ),
    start: () => names.reload(),
    stop: () => names.stop(),
  };
}

/** Asks for a tag and its first device: a tag without a device does not exist. */
function newTag(api) {
  const input = () => element("input", { spellcheck: "false", autocapitalize: "none", autocomplete: "off" });
  const [tag, device] = [input(), input()];
  formDialog("New tag", {
    content: [
      element("p", { class: "muted" }, "A tag is a name for one or more devices. What is sent to it goes to all of them."),
      field("Tag", tag),
      field("First device", device),
    ],
    action: "Create",
    submit: async () => {
      const [name, first] = [given(tag, "Enter the name of the tag"), given(device, "Enter the first device")];
      await api.request("PUT", bindingPath(name, first));
      location.hash = address("tags", name);
    },
  });
}
