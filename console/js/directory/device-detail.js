// One device as its operator sees it: presence, queue, tags, tokens, phones, Web Push.

import { devicePath, tagPath } from "../api.js";
import { announce } from "../announce.js";
import { confirm } from "../dialogs.js";
import { button, element, icon } from "../dom.js";
import { ago, bytes, number, time } from "../format.js";
import { addForm } from "../add-form.js";
import { addPhone } from "./pairing.js";
import { webPush } from "./web-push.js";

/** `actions`: `be`, `token` and `removed` of the device. */
export function deviceDetail(api, presence, device, actions) {
  const facts = element("dl", { class: "facts" });
  const tags = element("ul", { class: "chips" });
  const error = element("p", { class: "error", role: "alert" });
  const heading = element("h2", { tabindex: "-1" }, device);

  async function attempt(work) {
    error.textContent = "";
    try {
      await work();
    } catch (failure) {
      error.textContent = failure.message;
    }
  }

  const bind = async (tag) => {
    await api.request("PUT", `${tagPath(tag)}/devices/${encodeURIComponent(device)}`);
    announce(`${device} has the tag ${tag}`);
    await presence.update(device);
  };
  const unbind = (tag) =>
    attempt(async () => {
      await api.request("DELETE", `${tagPath(tag)}/devices/${encodeURIComponent(device)}`);
      announce(`${device} no longer has the tag ${tag}`);
      heading.focus();
      await presence.update(device);
    });
  const be = async () => {
    const text = "It is connected elsewhere. That connection will be closed, and will not come back by itself.";
    if (presence.of(device)?.online && !(await confirm(`Take over from ${device}?`, text, "Take over"))) return;
    await attempt(actions.be);
  };
  const revoke = async () => {
    const text = "Every token issued to it so far stops working immediately, and so does a link for a phone. Its connection is closed.";
    if (!(await confirm(`Revoke the tokens of ${device}?`, text, "Revoke"))) return;
    await attempt(async () => {
      await api.request("DELETE", `${devicePath(device)}/tokens`);
      announce(`The tokens of ${device} are revoked`);
      await presence.update(device);
    });
  };
  const remove = async () => {
    const text = "Its tags, its tokens and the messages held for it are deleted. Their senders get a receipt.";
    if (!(await confirm(`Delete ${device}?`, text, "Delete"))) return;
    await attempt(async () => {
      await api.request("DELETE", devicePath(device));
      actions.removed();
    });
  };

  const update = () => {
    const status = presence.of(device);
    if (!status) return;
    facts.replaceChildren(...factsOf(status).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, ...value)]));
    const shown = [...tags.children].map((chip) => chip.dataset.tag).join(" ");
    // Left alone while nothing changed, so that a chip in focus keeps it.
    if (shown === status.tags.join(" ") && status.tags.length > 0) return;
    tags.replaceChildren(
      ...status.tags.map((tag) =>
        element(
          "li",
          { "data-tag": tag },
          tag,
          element("button", { type: "button", class: "bare", "aria-label": `Unbind ${tag}`, onclick: () => unbind(tag) }, icon("close")),
        ),
      ),
    );
  };
  update();
  presence.update(device);

  return {
    device,
    update,
    element: element(
      "section",
      { class: "card detail", "aria-label": `Device ${device}` },
      heading,
      facts,
      element("h3", {}, "Tags"),
      tags,
      addForm({ label: `Bind ${device} to a tag`, action: "Bind", add: bind }),
      webPush(api, device),
      error,
      element(
        "div",
        { class: "buttons" },
        button("Connect as this device", be, { class: "primary" }),
        button("New token", () => attempt(actions.token)),
        button("Add a phone", () => attempt(() => addPhone(api, device))),
        button("Revoke tokens", revoke),
        button("Delete", remove, { class: "danger" }),
      ),
    ),
  };
}

function factsOf(status) {
  const presence = icon(status.online ? "online" : "offline");
  presence.classList.toggle("is-online", status.online);
  const since = status.online && status.connected_at ? ` since ${time(status.connected_at)}` : "";
  return [
    ["Presence", [presence, ` ${status.online ? "online" : "offline"}${since}`]],
    ["Last seen", [status.last_seen_at ? `${time(status.last_seen_at)}, ${ago(status.last_seen_at)}` : "never"]],
    ["Queue", [`${number(status.held)} held, ${number(status.in_flight)} in flight, ${number(status.in_progress)} in progress, ${bytes(status.held_bytes)}`]],
  ];
}
