// The phones of a device: where it can be woken. Nothing is asked before it is opened: most devices have none.

import { announce } from "../announce.js";
import { devicePath } from "../api.js";
import { confirm } from "../dialogs.js";
import { button, element } from "../dom.js";
import { ago } from "../format.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";

const NO_WAKE_KEY = "The service has no VAPID_KEY, and so cannot wake phones.";

export function phones(api, device) {
  const path = `${devicePath(device)}/wake`;

  async function load() {
    const found = await api.get(path).catch((error) => {
      // Without a key nothing of wake-ups is served.
      throw error.code === "not_found" ? new Error(NO_WAKE_KEY) : error;
    });
    const list = element("ul", { class: "entries" }, ...found.wake.map(subscription));
    return [found.wake.length > 0 ? list : empty(`No browser wakes ${device}. A phone that is added can turn on notifications.`)];
  }

  function subscription({ id, label, host, created_at, knocked_at }) {
    const knocked = knocked_at ? `woken ${ago(knocked_at)}` : "never woken";
    const remove = () =>
      panel.attempt(async () => {
        if (!(await confirm("Remove this subscription?", `${host} will not wake ${device} any more. Its token stays valid.`, "Remove"))) return;
        await api.request("DELETE", `${path}/${encodeURIComponent(id)}`);
        announce("The subscription is removed");
        await panel.reload();
      });
    return element(
      "li",
      { class: "entry" },
      element("span", { class: "name" }, label || host, element("span", { class: "muted small" }, [label && host, `added ${ago(created_at)}`, knocked].filter(Boolean).join(", "))),
      button("Remove", remove, { class: "small-button", "aria-label": `Remove ${label || host}` }),
    );
  }

  const panel = new Panel("Phones", { load, isClosed: true });
  return panel.element;
}
