// The page once there is a credential: the directory for an operator, and the panes of devices.

import { Api, Problem } from "./api.js";
import { element } from "./dom.js";
import { Pane } from "./device/pane.js";
import { directory } from "./directory/directory.js";
import * as session from "./session.js";
import { deviceOf } from "./credential.js";
import { addForm } from "./add-form.js";

export class Workspace {
  #place;
  #session;
  #api;
  #directory;
  #panes = [];
  #area = element("div", { class: "panes" });
  #hint = element("p", { class: "muted hint" }, "Choose a device to act as, or open one with its token.");

  /** `refused()` is called when the relay no longer accepts the admin key. */
  constructor(place, opened, { refused }) {
    this.#place = place;
    this.#session = { ...opened, panes: [] };
    if (opened.adminKey) {
      this.#api = new Api(opened.adminKey);
      this.#api.get("v1/devices?limit=1").catch((error) => error instanceof Problem && error.status === 401 && refused());
      this.#directory = directory(this.#api, { be: (device, token) => this.#open({ device, token }).focus() });
    }
    const byToken = addForm({
      label: "Open a device with its token",
      action: "Open",
      secret: true,
      add: async (token) => {
        const device = deviceOf(token);
        if (device === undefined) throw new Error("This is not a device token");
        this.#open({ device, token }).focus();
      },
    });
    place.classList.toggle("has-directory", Boolean(this.#directory));
    place.replaceChildren(
      ...(this.#directory ? [this.#directory.element] : []),
      element("div", { class: "devices" }, this.#area, this.#hint, byToken),
    );
    place.hidden = false;
    for (const pane of opened.panes) this.#open(pane);
  }

  /** Leads to the devices that a link opened. */
  focus() {
    this.#panes[0]?.focus();
  }

  stop() {
    this.#api?.end();
    this.#directory?.stop();
    this.#panes.forEach((pane) => pane.stop());
    this.#place.replaceChildren();
    this.#place.hidden = true;
  }

  #open(kept) {
    // A device has one connection at a time, so a second pane would only take over the first.
    const former = this.#panes.find(({ device }) => device === kept.device);
    if (former) this.#close(former);
    const pane = new Pane({
      ...kept,
      onpresence: () => this.#directory?.changed(kept.device),
      onclose: () => this.#close(pane),
    });
    this.#panes.push(pane);
    this.#area.append(pane.element);
    this.#session.panes.push(kept);
    this.#changed();
    pane.start();
    return pane;
  }

  #close(pane) {
    pane.stop();
    pane.element.remove();
    this.#panes = this.#panes.filter((other) => other !== pane);
    this.#session.panes = this.#session.panes.filter(({ device }) => device !== pane.device);
    this.#changed();
  }

  #changed() {
    this.#hint.hidden = this.#panes.length > 0;
    session.keep(this.#session);
  }
}
