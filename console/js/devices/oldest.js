// The messages that wait longest, by device. Only the mailboxes know, so each is asked, and only on demand.

import { Ended, devicePath } from "../api.js";
import { announce } from "../announce.js";
import { anchor, button, element, uniqueId } from "../dom.js";
import { number, plural, span, time } from "../format.js";
import { address } from "../routes.js";
import { empty } from "../pages/page.js";

/** How many devices are asked at the same time, and how many are shown. */
const AT_ONCE = 6;
const SHOWN = 10;

export function oldest(api) {
  const id = uniqueId("panel");
  const go = button("Ask all devices", run);
  const stopButton = button("Stop", stop, { hidden: true });
  const note = element("p", { class: "muted small" }, "Asks every device’s mailbox, which wakes it.");
  const error = element("p", { class: "error", role: "alert" });
  const place = element("div");
  let isStopped = false;

  async function run() {
    isStopped = false;
    go.hidden = true;
    stopButton.hidden = false;
    stopButton.focus();
    error.textContent = "";
    const found = { oldest: [], devices: 0, messages: 0, silent: 0 };
    let asked = 0;
    try {
      const names = await listed();
      const waiting = [...names];
      const tell = () => (note.textContent = said(asked, names.length, found));
      const work = async () => {
        while (waiting.length > 0 && !isStopped) {
          const device = waiting.shift();
          const status = await api.get(devicePath(device)).catch((error) => missed(error, found));
          asked += 1;
          if (status && add(found, device, status)) place.replaceChildren(list(found.oldest));
          tell();
        }
      };
      tell();
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      if (found.devices === 0 && !isStopped) place.replaceChildren(empty("Nothing waits at the devices that were asked."));
      announce(note.textContent);
    } catch (failure) {
      isStopped = true;
      error.textContent = failure.message;
    } finally {
      const had = document.activeElement === stopButton;
      stopButton.hidden = true;
      go.hidden = false;
      go.textContent = "Ask again";
      if (had) go.focus();
    }
  }

  async function listed() {
    const names = [];
    for await (const { devices } of api.pages("v1/devices")) {
      if (isStopped) break;
      names.push(...devices.map(({ device }) => device));
    }
    return names;
  }

  function stop() {
    isStopped = true;
  }

  const heading = element("h2", { id }, "Oldest held messages");
  return {
    element: element(
      "section",
      { class: "card panel", "aria-labelledby": id },
      element("div", { class: "panel-head" }, heading, go, stopButton),
      element("div", { class: "panel-body" }, note, place, error),
    ),
    stop,
  };
}

/**
 * A device that is listed and has no mailbox has no messages. One that does not answer is counted. Only without a valid
 * credential nobody answers.
 */
function missed(error, found) {
  if (error instanceof Ended || [401, 403].includes(error.status)) throw error;
  if (error.code !== "unknown_device") found.silent += 1;
}

/** Counts what waits at a device. Returns whether it is among the oldest. */
function add(found, device, { held, in_flight, in_progress, held_since }) {
  const count = held + in_flight + in_progress;
  if (count === 0) return false;
  found.devices += 1;
  found.messages += count;
  const entry = { device, count, since: held_since ?? Infinity };
  found.oldest = [...found.oldest, entry].sort((one, other) => one.since - other.since).slice(0, SHOWN);
  return found.oldest.includes(entry);
}

function said(asked, all, { devices, messages, silent }) {
  const progress = asked === all ? `${plural(all, "device")} asked` : `${number(asked)} of ${plural(all, "device")} asked`;
  const waiting = devices > 0 && `${plural(messages, "message")} waiting for ${plural(devices, "device")}`;
  return [progress, silent > 0 && `${number(silent)} did not answer`, waiting].filter(Boolean).join(", ");
}

function list(entries) {
  return element("ol", { class: "entries" }, ...entries.map(row));
}

function row({ device, count, since }) {
  // An older service does not say since when.
  const isKnown = Number.isFinite(since);
  return element(
    "li",
    { class: "entry" },
    anchor(device, address("devices", device), { class: "name" }),
    element("span", { class: "count" }, `${number(count)} waiting`),
    isKnown && element("time", { class: "muted small", datetime: new Date(since).toISOString(), title: time(since) }, `for ${span(Date.now() - since)}`),
  );
}
