// One device as its operator sees it. To look at it changes nothing: the device stays connected, and no message counts
// as sent. What happens at the device is shown as it happens, and nothing is asked again for that.

import { bindingPath, devicePath } from "../api.js";
import { announce } from "../announce.js";
import { addForm } from "../add-form.js";
import { actAs } from "../devices/act-as.js";
import { hooks } from "../devices/hooks.js";
import { addPhone } from "../devices/pairing.js";
import { phones } from "../devices/phones.js";
import { queue } from "../devices/queue.js";
import { sent } from "../devices/sent.js";
import { isPassing, live } from "../devices/live.js";
import { newToken } from "../devices/mint.js";
import { Tally } from "../devices/tally.js";
import { Watch } from "../devices/watch.js";
import { webhook } from "../devices/webhook.js";
import { webPush } from "../devices/web-push.js";
import { confirm } from "../dialogs.js";
import { anchor, button, element, icon } from "../dom.js";
import { ago, bytes, number, span, time } from "../format.js";
import { gather } from "../gather.js";
import { presenceMark } from "../list/presence.js";
import { Panel } from "../panel.js";
import { address } from "../routes.js";
import { sendDialog } from "../send/send.js";
import { closable, missing, pageHead, refreshButton } from "./page.js";

/** Milliseconds within which steps are shown together in the queue. */
const TOGETHER = 500;

export function devicePage({ api, play }, device) {
  const page = element("div", { class: "page" });
  const tally = new Tally();
  const waiting = queue(api, device, { onlist: (messages) => messages.forEach(({ id, state }) => tally.know(id, state)) });
  const sending = sent(api, device);
  let status;
  /** The presence that the watch has told, while it is connected. */
  let told;
  let isShown = true;
  let isWatched = false;
  let isListed = false;
  /** It is being deleted here, or was. */
  let isDeleted = false;

  const facts = new Panel("Status", {
    load: async () => {
      status = await api.get(devicePath(device)).catch((error) => {
        if (error.code !== "unknown_device" && error.code !== "bad_request") throw error;
        gone();
      });
      if (!status) return [];
      // What the watch has told is newer, or will be.
      if (told) Object.assign(status, told, tally.counts);
      else tally.begin(status);
      mark.replaceChildren(presenceMark(status.online));
      tags.replaceChildren(...status.tags.map(chip));
      return [factsOf(status)];
    },
  });
  const happening = live();
  const watch = new Watch(api, device, {
    onframe: (frame) => {
      if (frame.type === "watching") begin(frame);
      else if (frame.type === "presence") presence(frame);
      else if (frame.type === "step") step(frame);
    },
    onstate: (state, why) => {
      if (state !== "live") told = undefined;
      happening.tell(state, why);
      // An older service tells nobody.
      if (state === "none" && !why) happening.element.hidden = true;
      // Somebody else may have deleted it.
      if (state === "none" && why && !isDeleted) facts.reload();
    },
  });

  /** The device as it is. What happened before, since the last time that it was said, nobody tells. */
  function begin({ online, connected_at, last_seen_at, held, in_flight, in_progress }) {
    tally.begin({ held, in_flight, in_progress });
    told = { online, connected_at, last_seen_at };
    show();
    if (!isListed) return;
    waiting.reload();
    // How many bytes wait, and since when, is not said.
    facts.reload();
  }

  function presence(frame) {
    const { online, at } = frame;
    told = { ...told, online, last_seen_at: at, ...(online && { connected_at: at }) };
    happening.add(frame);
    announce(`${device} is ${online ? "online" : "offline"}`);
    show();
  }

  function step(frame) {
    happening.add(frame);
    if (isPassing(frame)) return;
    tally.take(frame);
    followed(frame);
  }

  /** What is delivered at once is not worth showing in between. */
  const followed = gather((steps) => {
    waiting.take(steps);
    // How many bytes wait, and since when, is not told.
    Object.assign(status ?? {}, { held_bytes: undefined, held_since: undefined });
    show();
  }, TOGETHER);

  function show() {
    if (!status) return;
    Object.assign(status, told, tally.counts);
    mark.replaceChildren(presenceMark(status.online));
    facts.show([factsOf(status)]);
  }

  const attempt = (work) => facts.attempt(work);
  const mark = element("span");

  const tags = element("ul", { class: "chips" });
  const chip = (tag) =>
    element(
      "li",
      {},
      anchor(tag, address("tags", tag)),
      element("button", { type: "button", class: "bare", "aria-label": `Unbind ${tag}`, onclick: () => unbind(tag) }, icon("close")),
    );
  const bind = async (tag) => {
    await api.request("PUT", bindingPath(tag, device));
    announce(`${device} has the tag ${tag}`);
    await facts.reload();
  };
  const unbind = (tag) =>
    attempt(async () => {
      await api.request("DELETE", bindingPath(tag, device));
      announce(`${device} no longer has the tag ${tag}`);
      facts.focus();
      await facts.reload();
    });
  const revoke = () =>
    attempt(async () => {
      const text = "Every token issued to it so far stops working immediately, and so does a link for a phone. Its connection is closed.";
      if (!(await confirm(`Revoke the tokens of ${device}?`, text, "Revoke"))) return;
      await api.request("DELETE", `${devicePath(device)}/tokens`);
      announce(`The tokens of ${device} are revoked`);
      await facts.reload();
    });
  const remove = () =>
    attempt(async () => {
      const text = "Its tags, its tokens and the messages held for it are deleted. Their senders get a receipt. What it sent is forgotten.";
      if (!(await confirm(`Delete ${device}?`, text, "Delete"))) return;
      isDeleted = true;
      await api.request("DELETE", devicePath(device)).catch((error) => {
        isDeleted = false;
        throw error;
      });
      announce(`${device} is deleted`);
      if (page.isConnected) location.hash = address("devices");
    });
  const act = () =>
    attempt(async () => {
      // It may have come online since the page was opened.
      const { online } = await api.get(devicePath(device));
      await actAs(play, device, { isOnline: online && !play.has(device) });
    });

  async function open() {
    await facts.reload();
    if (!status) return;
    if (!isShown) return;
    if (isWatched) watch.again();
    else watch.start();
    isWatched = true;
    // What happens from then on is told, so that nothing is missed between the list and the first step.
    await watch.ready;
    if (!isShown) return;
    isListed = true;
    await Promise.all([waiting.reload(), sending.reload()]);
  }

  const side = [
    facts.element,
    closable("Tags", tags, addForm({ label: `Bind ${device} to a tag`, action: "Bind", add: bind })),
    phones(api, device),
    webPush(api, device),
    webhook(api, device),
    hooks(api, device),
    closable(
      "Access",
      element(
        "div",
        { class: "buttons" },
        button("New token", () => newToken(api, device)),
        button("Act as this device", act),
        button("Revoke tokens", revoke),
        button("Delete", remove, { class: "danger" }),
      ),
    ),
  ];
  const head = pageHead(device, {
    up: ["Devices", address("devices")],
    beside: [mark],
    actions: [
      refreshButton(open),
      button("Add a phone", () => attempt(() => addPhone(api, device))),
      button("Send a message", () => sendDialog(api, "device", device), { class: "primary" }),
    ],
  });
  const body = element("div", { class: "columns" }, element("div", {}, waiting.element, happening.element, sending.element), element("div", {}, ...side));
  page.append(head, body);

  return {
    title: device,
    element: page,
    start: open,
    stop: () => {
      isShown = false;
      watch.stop();
    },
  };

  function gone() {
    watch.stop();
    page.replaceChildren(missing(`There is no device ${device}`, "Nothing was created. Check its name.", "All devices", "devices"));
    page.querySelector("h1").focus();
  }
}

function factsOf(status) {
  const since = status.online && status.connected_at ? `online since ${time(status.connected_at)}` : undefined;
  const seen = status.last_seen_at ? `${time(status.last_seen_at)}, ${ago(status.last_seen_at)}` : "never";
  const waiting = [
    `${number(status.held)} held`,
    `${number(status.in_flight)} in flight`,
    `${number(status.in_progress)} in progress`,
    status.held_bytes !== undefined && bytes(status.held_bytes),
  ];
  const rows = [
    ["Presence", presenceMark(status.online, since)],
    ["Last seen", seen],
    ["Queue", waiting.filter(Boolean).join(", ")],
    status.held_since && ["Oldest", `waiting for ${span(Date.now() - status.held_since)}`],
  ].filter(Boolean);
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
