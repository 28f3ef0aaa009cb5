// Playing devices: the console is connected as each of them, side by side. The demonstration of `cargo xtask dev`, and
// the way to act as a device.

import { Problem, devicePath } from "../api.js";
import { deviceOf } from "../credential.js";
import { element } from "../dom.js";
import { addForm } from "../add-form.js";
import { pageHead } from "../pages/page.js";
import * as session from "../session.js";
import { Pane } from "./pane.js";

/** How long a token is valid that the console makes to connect with, in seconds. */
const VALIDITY = 86_400;

export class Play {
  element;
  #session;
  #api;
  #panes = [];
  #area = element("div", { class: "panes" });
  #refused = element("div", { class: "refusals", role: "alert" });
  #hint = element("p", { class: "muted hint" });

  /** `api`: the operator's, if there is an admin key. */
  constructor(opened, api) {
    this.#session = { ...opened, panes: [] };
    this.#api = api;
    this.#hint.textContent = api
      ? "Open a device, and choose “Act as this device”; or enter a token below."
      : "Enter the token of a device below, to act as that device.";
    const byToken = addForm({
      label: "Act as a device with its token",
      action: "Open",
      secret: true,
      add: async (token) => {
        const device = deviceOf(token);
        if (device === undefined) throw new Error("This is not a device token");
        this.#open({ device, token }).focus();
      },
    });
    this.element = element(
      "div",
      { class: "page play" },
      pageHead("Play devices", {}),
      this.#refused,
      this.#area,
      this.#hint,
      byToken,
    );
    for (const pane of opened.panes) this.#open(pane);
  }

  /** The interface as each device that is played. */
  get apis() {
    return this.#panes.map(({ api }) => api);
  }

  /** Whether this device is played, and connected for that. */
  has(device) {
    return this.#panes.some((pane) => pane.device === device && pane.isOnline);
  }

  /** Leads to the first device. */
  focus() {
    this.#panes[0]?.focus();
  }

  /** Connects as a device, whatever else is connected as it. */
  async act(device) {
    this.#open({ device, token: await this.#token(device) });
  }

  /** Opens a device that a link names: only one that exists, and not in place of a connection that it has. */
  async follow(device, tag) {
    try {
      // To make a token for a device creates it: a typing error has to end here.
      const { online } = await this.#api.get(devicePath(device));
      this.#open({ device, token: await this.#token(device), tag, isElsewhere: online });
    } catch (error) {
      const isUnknown = error instanceof Problem && error.code === "unknown_device";
      const why = isUnknown ? `There is no device ${device}. Nothing was created.` : `${device}: ${error.message}`;
      this.#refused.append(element("p", { class: "error" }, why));
    }
  }

  stop() {
    this.#panes.forEach((pane) => pane.stop());
  }

  async #token(device) {
    const grant = JSON.stringify({ expires_in: VALIDITY });
    return (await this.#api.request("PUT", devicePath(device), { body: grant })).token;
  }

  #open(kept) {
    // A device has one connection at a time, so a second pane would only take over the first.
    const former = this.#panes.find(({ device }) => device === kept.device);
    if (former) this.#close(former);
    const pane = new Pane({
      ...kept,
      onpresence: (isOnline) => {
        if (isOnline && kept.isElsewhere) kept.isElsewhere = false;
        this.#changed();
      },
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
