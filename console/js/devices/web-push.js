// Web Push on the page of a device: its channels, and the URLs with which user agents connect.
//
// Nothing is asked before it is opened: most devices have no channels.

import { announce } from "../announce.js";
import { devicePath } from "../api.js";
import { confirm } from "../dialogs.js";
import { button, element } from "../dom.js";
import { ago, plural } from "../format.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";
import { showPushUrl } from "./push-url.js";

const NO_PUSH_KEY = "The service has no PUSH_KEY, and so no Web Push.";

export function webPush(api, device) {
  const path = `${devicePath(device)}/channels`;

  async function load() {
    const { channels } = await api.get(path).catch((error) => {
      // Without a key nothing of Web Push is served.
      throw error.code === "not_found" ? new Error(NO_PUSH_KEY) : error;
    });
    all.disabled = channels.length === 0;
    return [
      channels.length > 0 ? element("p", { class: "muted small" }, plural(channels.length, "channel")) : empty(`${device} has no channels: no page or app has subscribed.`),
      element("ul", { class: "entries" }, ...channels.map(channel)),
      element("div", { class: "buttons" }, button("New push URL", make), all),
    ];
  }

  const make = () => panel.attempt(async () => showPushUrl(device, (await api.request("POST", `${devicePath(device)}/push`)).push_url));

  async function revoke(title, text, path, done) {
    if (!(await confirm(title, text, "Revoke"))) return;
    await panel.attempt(async () => {
      await api.request("DELETE", path);
      announce(done);
      panel.focus();
      await panel.reload();
    });
  }

  function channel({ channel, since, restricted }) {
    const bound = restricted ? ", bound to one sender’s key" : "";
    const text = "Its endpoint is gone for good, and the messages held for it are deleted.";
    const one = () => revoke("Revoke this channel?", text, `${path}/${channel}`, `The channel ${channel} of ${device} is revoked`);
    return element(
      "li",
      { class: "entry" },
      element(
        "span",
        { class: "name" },
        element("code", {}, channel),
        element("span", { class: "muted small" }, `registered ${ago(since)}${bound}`),
      ),
      button("Revoke", one, { class: "small-button", "aria-label": `Revoke the channel ${channel}` }),
    );
  }

  const everything = "Their endpoints are gone for good, and the messages held for them are deleted. The browser tells its pages.";
  const revokeAll = () => revoke(`Revoke all channels of ${device}?`, everything, path, `All channels of ${device} are revoked`);
  const all = button("Revoke all channels", revokeAll, { class: "danger", disabled: true });
  const panel = new Panel("Web Push", { load, isClosed: true });
  return panel.element;
}
