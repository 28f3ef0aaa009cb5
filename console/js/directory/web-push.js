// Web Push on the card of a device: its channels, and the URLs with which user agents connect.
//
// Nothing is asked before it is opened: most devices have no channels.

import { announce } from "../announce.js";
import { devicePath } from "../api.js";
import { confirm } from "../dialogs.js";
import { button, element } from "../dom.js";
import { ago, plural } from "../format.js";
import { showPushUrl } from "./push-url.js";

const NO_PUSH_KEY = "The service has no PUSH_KEY, and so no Web Push.";

export function webPush(api, device) {
  const channels = element("ul", { class: "members channels" });
  const note = element("p", { class: "muted small" });
  const error = element("p", { class: "error", role: "alert" });
  const summary = element("summary", {}, "Web Push");
  const path = `${devicePath(device)}/channels`;

  async function attempt(work) {
    error.textContent = "";
    try {
      await work();
    } catch (failure) {
      // Without a key nothing of Web Push is served.
      error.textContent = failure.code === "not_found" ? NO_PUSH_KEY : failure.message;
    }
  }

  const load = () =>
    attempt(async () => {
      const found = (await api.get(path)).channels;
      channels.replaceChildren(...found.map(channel));
      note.textContent = found.length > 0 ? plural(found.length, "channel") : `${device} has no channels: no page or app has subscribed.`;
      all.disabled = found.length === 0;
    });

  const make = () => attempt(async () => showPushUrl(device, (await api.request("POST", `${devicePath(device)}/push`)).push_url));

  async function revoke(title, text, path, done) {
    if (!(await confirm(title, text, "Revoke"))) return;
    await attempt(async () => {
      await api.request("DELETE", path);
      announce(done);
      summary.focus();
      await load();
    });
  }

  function channel({ channel, since, restricted }) {
    const bound = restricted ? ", bound to one sender’s key" : "";
    const text = "Its endpoint is gone for good, and the messages held for it are deleted.";
    const one = () => revoke("Revoke this channel?", text, `${path}/${channel}`, `The channel ${channel} of ${device} is revoked`);
    return element(
      "li",
      {},
      element(
        "span",
        { class: "name" },
        element("span", { class: "code" }, channel),
        element("span", { class: "muted small" }, `registered ${ago(since)}${bound}`),
      ),
      button("Revoke", one, { "aria-label": `Revoke the channel ${channel}` }),
    );
  }

  const everything = "Their endpoints are gone for good, and the messages held for them are deleted. The browser tells its pages.";
  const revokeAll = () => revoke(`Revoke all channels of ${device}?`, everything, path, `All channels of ${device} are revoked`);
  const all = button("Revoke all channels", revokeAll, { class: "danger", disabled: true });
  const details = element(
    "details",
    { class: "web-push", ontoggle: () => details.open && load() },
    summary,
    note,
    channels,
    error,
    element("div", { class: "buttons" }, button("New push URL", make), all),
  );
  return details;
}
