// The operator's devices: all of them in a list, one of them in detail.

import { devicePath } from "../api.js";
import { announce } from "../announce.js";
import { showToken } from "../dialogs.js";
import { element, icon } from "../dom.js";
import { ago, number } from "../format.js";
import { addForm } from "../add-form.js";
import { deviceDetail } from "./device-detail.js";
import { Names } from "./names.js";
import { Presence } from "./presence.js";

/** Milliseconds between two looks at the devices in sight. */
const LOOK = 10_000;

/** `be(device, token)` opens a device's pane. */
export function devices(api, { be }) {
  const presence = new Presence(api);
  const detail = element("div", { class: "detail-place" });
  let shown;

  const names = new Names({
    label: "Devices",
    load: async function* () {
      for await (const page of api.pages("v1/devices")) yield page.devices.map(({ device }) => device);
    },
    fill: (row, device) => row.replaceChildren(...rowOf(device, presence.of(device))),
    open: show,
    onview: (inView) => presence.look(inView),
  });

  const mint = (device) => api.request("PUT", devicePath(device));

  async function show(device) {
    names.list.selected = device;
    shown = deviceDetail(api, presence, device, {
      be: async () => be(device, (await mint(device)).token),
      token: async () => showToken(device, (await mint(device)).token),
      removed: () => gone(device),
    });
    detail.replaceChildren(shown.element);
    shown.element.querySelector("h2").focus();
  }

  function gone(device) {
    presence.forget(device);
    names.remove(device);
    if (shown?.device !== device) return;
    shown = undefined;
    detail.replaceChildren();
    names.list.element.focus();
    announce(`${device} is deleted`);
  }

  presence.onchange = (device) => {
    names.list.refresh(device);
    if (shown?.device === device) shown.update();
  };

  const add = addForm({
    label: "New device",
    action: "Add",
    add: async (device) => {
      const { token } = await mint(device);
      names.add(device);
      await show(device);
      showToken(device, token);
    },
  });

  const look = () => {
    if (document.hidden) return;
    presence.look(names.list.inView);
    if (shown) presence.update(shown.device);
  };
  const timer = setInterval(look, LOOK);

  return {
    element: element("div", { class: "directory-part" }, names.element, add, detail),
    start: () => names.reload(),
    /** Asks anew for a device that something happened to. */
    changed: (device) => {
      if (presence.of(device)) presence.update(device);
    },
    stop: () => clearInterval(timer),
  };
}

function rowOf(device, status) {
  const name = element("span", { class: "name" }, device);
  if (status === undefined) return [icon("connecting"), name];
  if (status === null) return [icon("offline"), name, element("span", { class: "muted small" }, "no mailbox")];
  const waiting = status.held + status.in_flight + status.in_progress;
  const seen = status.online ? "online" : status.last_seen_at ? ago(status.last_seen_at) : "never seen";
  const presence = icon(status.online ? "online" : "offline");
  presence.classList.toggle("is-online", status.online);
  return [
    presence,
    name,
    hidden(status.online ? ", " : ", offline, "),
    waiting > 0 && element("span", { class: "count" }, number(waiting), hidden(" waiting, ")),
    element("span", { class: "muted small" }, seen),
  ].filter(Boolean);
}

/** Words for those who do not see the row. */
const hidden = (text) => element("span", { class: "visually-hidden" }, text);
