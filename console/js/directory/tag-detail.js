// The devices of one tag, with their presence, fifty at a time.

import { tagPath } from "../api.js";
import { button, element, icon } from "../dom.js";
import { addForm } from "../add-form.js";

/** The largest page for which the relay gives presence. */
const PAGE = 50;

export function tagDetail(api, tag, { bind, unbind }) {
  const members = element("ul", { class: "members" });
  const more = button("Show more", () => load(next), { hidden: true });
  const error = element("p", { class: "error", role: "alert" });
  const heading = element("h2", { tabindex: "-1" }, tag);
  let next;

  async function load(cursor) {
    error.textContent = "";
    try {
      const page = await api.get(`${tagPath(tag)}?presence=true&limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      if (!cursor) members.replaceChildren();
      members.append(...page.devices.map(member));
      next = page.next;
      more.hidden = !next;
    } catch (failure) {
      error.textContent = failure.message;
    }
  }

  function member({ device, online }) {
    const presence = icon(online ? "online" : "offline");
    presence.classList.toggle("is-online", online);
    const remove = async () => {
      error.textContent = "";
      try {
        await unbind(device);
        row.remove();
        if (heading.isConnected) heading.focus();
      } catch (failure) {
        error.textContent = failure.message;
      }
    };
    const row = element(
      "li",
      {},
      presence,
      element("span", { class: "name" }, device),
      element("span", { class: "muted small" }, online ? "online" : "offline"),
      button("Unbind", remove, { "aria-label": `Unbind ${device}` }),
    );
    return row;
  }

  load();
  return element(
    "section",
    { class: "card detail", "aria-label": `Tag ${tag}` },
    heading,
    members,
    more,
    error,
    addForm({
      label: `Bind a device to ${tag}`,
      action: "Bind",
      add: async (device) => {
        await bind(device);
        await load();
      },
    }),
  );
}
