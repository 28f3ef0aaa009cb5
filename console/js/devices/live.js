// What happens at a device, as it happens: a line for each step of a delivery, the newest first.

import { anchor, button, element } from "../dom.js";
import { addressee, payload } from "../format.js";
import { gather } from "../gather.js";
import { badge } from "../message/badge.js";
import { presenceMark } from "../list/presence.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";
import { address } from "../routes.js";

/** How many lines are kept. */
const KEPT = 100;
/** Milliseconds within which steps are drawn together. */
const TOGETHER = 100;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function live() {
  const list = element("ol", { class: "entries log", hidden: true, "aria-label": "Steps", tabindex: "0" });
  const none = empty("Each step of a delivery to this device appears here as it happens.");
  const state = element("span", { class: "live" });
  const reason = element("p", { class: "notice", role: "status" });
  let isHeld = false;
  /** What came while the list was held. */
  let waiting = [];
  /** By id, to whom a message was sent: only some of its steps say so. */
  const targets = new Map();

  const hold = button("Pause", () => {
    isHeld = !isHeld;
    hold.textContent = isHeld ? "Continue" : "Pause";
    if (isHeld) return;
    draw(waiting);
    waiting = [];
  }, { class: "small-button", hidden: true });

  const add = gather((lines) => {
    if (isHeld) waiting = [...waiting, ...lines].slice(-KEPT);
    else draw(lines);
  }, TOGETHER);

  function draw(lines) {
    if (lines.length === 0) return;
    none.hidden = true;
    list.hidden = hold.hidden = false;
    list.prepend(...lines.slice(-KEPT).map((happened) => line(happened, targetOf(happened))).reverse());
    while (list.children.length > KEPT) list.lastElementChild.remove();
  }

  function targetOf({ id, to }) {
    if (to !== undefined) targets.set(id, to);
    if (targets.size > KEPT) targets.delete(targets.keys().next().value);
    return targets.get(id);
  }

  const panel = new Panel("Live", { load: async () => [], actions: [state, hold] });
  panel.show([reason, none, list]);
  return {
    element: panel.element,
    add,
    /** Whether steps come at the moment, and why not, in words. @param {import("./watch.js").State} now */
    tell(now, why) {
      state.textContent = now === "live" ? "Connected" : now === "connecting" ? "Connecting…" : "Disconnected";
      state.dataset.live = now === "live";
      reason.textContent = why ?? "";
    },
  };
}

function line(happened, to) {
  const { at } = happened;
  const time = element("time", { class: "muted small", datetime: new Date(at).toISOString() }, clock.format(at));
  const [mark, ...said] = happened.type === "presence" ? presence(happened) : step(happened, to);
  return element("li", { class: "entry arrived" }, time, element("span", { class: "ending" }, mark), element("span", { class: "name" }, ...said));
}

function presence({ online }) {
  return [presenceMark(online), element("span", { class: "muted" }, online ? "It has connected" : "Its connection has ended")];
}

function step({ id, event, from, attempt, note, reply, reason }, to) {
  const isTold = to && to.device === undefined;
  const words = `${sender(from)}${isTold ? ` to ${addressee(to)}` : ""}`;
  const more = [
    event === "sent" && attempt > 1 && `attempt ${attempt}`,
    note,
    reply !== undefined && `reply ${payload(reply)}`,
    reason,
  ];
  const text = more.filter(Boolean).join(" · ");
  return [
    badge(event),
    isChannel(from) ? element("span", {}, words) : anchor(words, address("messages", id)),
    text && element("span", { class: "muted small clipped" }, text),
  ].filter(Boolean);
}

/** Whether a message came over a channel of Web Push: it has no sender that keeps a trace of it. */
export const isChannel = (from) => from.startsWith("~") && from !== "~events";

/** Whether a step is of a push with TTL 0, which is sent and not kept: nothing follows. */
export const isPassing = ({ from, event, sent_at, expires_at }) => isChannel(from) && event === "sent" && expires_at <= sent_at;

/** Where a message came from, in words. */
export const sender = (from) => (isChannel(from) ? "from Web Push" : `from ${from}`);
