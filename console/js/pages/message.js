// One message: how far it has come at each device, what it says, and what can be done about it.

import { messagePath, query } from "../api.js";
import { announce } from "../announce.js";
import { copyable, showDialog } from "../dialogs.js";
import { anchor, button, element } from "../dom.js";
import { addressee, ago, span, time } from "../format.js";
import { failures } from "../message/badge.js";
import { curl } from "../message/curl.js";
import { deliveries } from "../message/deliveries.js";
import { payloadView, textOf } from "../message/payload.js";
import { Plan } from "../message/plan.js";
import { resender } from "../message/resend.js";
import { notificationOf } from "../notification.js";
import { Panel } from "../panel.js";
import { address } from "../routes.js";
import { isOpen } from "../states.js";
import { empty, missing, pageHead, refreshButton } from "./page.js";

/**
 * A message that was just sent is followed: how old it may be, in milliseconds, and how long each request waits, in
 * seconds.
 */
const NEW = 60_000;
const WAIT = 10;

export function messagePage({ api, play, isOperator }, id) {
  const page = element("div", { class: "page" });
  const facts = element("dl", { class: "facts" });
  const cancelButton = button("Cancel message", cancel, { hidden: true, class: "danger" });
  const resendButton = button("Resend", again, { hidden: true });
  const next = button("Show the following devices", () => states.attempt(follow), { hidden: true });
  /** As whom it is asked for: the operator, or the one of several devices that sent it. */
  const callers = api ? [api] : play.apis;
  let [asked] = callers;
  let trace;
  let payload;
  let isShown = true;
  let isFollowed = false;

  const states = new Panel("Deliveries", {
    load: async () => {
      trace = await find();
      if (!trace) gone();
      return trace ? draw() : [];
    },
  });
  async function find() {
    let refused;
    for (const caller of new Set([asked, ...callers])) {
      const found = await caller.get(messagePath(id)).catch((error) => {
        // The token of one device may have expired, and another one's not.
        if ([401, 403].includes(error.status)) refused = error;
        else if (error.status !== 404 && error.code !== "bad_request") throw error;
      });
      if (found) asked = caller;
      if (found) return found;
    }
    if (refused) throw refused;
  }
  const content = new Panel("Payload", { load: loadPayload });
  content.element.hidden = true;

  /** What is shown of the trace. */
  function draw() {
    facts.replaceChildren(...factsOf(trace).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, ...[value].flat())]));
    const failed = failures(trace.summary);
    curlButton.disabled = false;
    cancelButton.hidden = isSettled(trace);
    resendButton.hidden = failed === 0;
    next.hidden = !trace.next;
    const plan = new Plan(trace.accepted_at);
    plan.update(trace);
    const notification = payload ? notificationOf(parsed(textOf(payload))) : undefined;
    return [plan.element, ...deliveries(trace, notification, (device) => (isOperator ? address("devices", device) : undefined)), next];
  }

  /** The next page of a large tag's deliveries. */
  async function follow() {
    const page = await asked.get(query(messagePath(id), { cursor: trace.next }));
    trace = { ...page, deliveries: [...trace.deliveries, ...page.deliveries], timeline: [...trace.timeline, ...page.timeline] };
    states.show(draw());
  }

  async function loadPayload() {
    if (payload === undefined) {
      const found = await asked.bytes(`${messagePath(id)}/payload`).catch((error) => error);
      // The viewer key shows no payloads, however often they are asked for.
      if (found.status === 403) return [empty(`${found.message}.`)];
      if (found instanceof Error && found.code !== "payload_gone") throw found;
      payload = found instanceof Error ? null : found;
      if (payload && notificationOf(parsed(textOf(payload)))) states.show(draw());
    }
    return [payload ? payloadView(payload, id) : empty("The payload is no longer kept.")];
  }

  async function open() {
    if (!asked) return gone();
    await states.reload();
    if (!trace) return;
    content.element.hidden = false;
    const waits = Object.entries(trace.summary).some(([state, count]) => count > 0 && isOpen(state));
    if (waits || payload) await content.reload();
    // Mailboxes of devices that it failed for may keep it, for a while. They are not woken unasked.
    else if (failures(trace.summary) > 0) content.show([button("Show the payload", () => content.reload())]);
    else content.show([empty("No device waits for it any more, so its payload is not kept.")]);
    if (isFollowed) return;
    isFollowed = true;
    await attend();
    isFollowed = false;
  }

  /** Follows a message that was just sent, for a minute at most. */
  async function attend() {
    for (let waits = 0; waits < NEW / 1000 / WAIT; waits++) {
      if (!isShown || document.hidden || isSettled(trace) || Math.abs(Date.now() - trace.accepted_at) > NEW) return;
      const latest = await asked.get(query(messagePath(id), { wait: WAIT })).catch(() => undefined);
      if (!isShown || latest === undefined) return;
      const isNews = JSON.stringify(latest.summary) !== JSON.stringify(trace.summary);
      trace = latest;
      // What is open in the list stays open while nothing has changed.
      if (isNews) states.show(draw());
    }
  }

  function cancel() {
    states.attempt(async () => {
      trace = await asked.request("DELETE", messagePath(id));
      announce("Cancelled");
      states.show(draw());
      states.focus();
    });
  }

  let resend;
  function again() {
    states.attempt(async () => {
      resend ??= resender(asked, id);
      const { id: fresh } = await resend();
      if (isShown) location.hash = address("messages", fresh);
    }, resendButton);
  }

  function gone() {
    const text = isOperator ? "Either there never was one, or its trace is no longer kept." : "Either this device did not send it, or its trace is no longer kept.";
    page.replaceChildren(missing("There is no such message", text, ...(isOperator ? ["Messages", "messages"] : ["Play devices", "play"])));
    page.querySelector("h1").focus();
  }

  const copyCurl = () =>
    showDialog("Publish it again with curl", [
      element("p", {}, "TOKEN_FILE is a file with a token of the sender. Topic, urgency and escalation are not in the trace, and so not here.", payload ? "" : " The payload is not known: put it into the file “payload”."),
      copyable("Command", curl(trace, payload ?? undefined)),
    ]);

  const curlButton = button("Copy as curl", copyCurl, { disabled: true });
  const copyId = button("Copy id", () => navigator.clipboard.writeText(id).then(() => (copyId.textContent = "Copied"), () => {}), { class: "small-button" });
  page.append(
    pageHead("Message", {
      up: isOperator ? ["Messages", address("messages")] : ["Play devices", address("play")],
      beside: [element("code", { class: "id" }, id), navigator.clipboard && copyId].filter(Boolean),
      actions: [refreshButton(open), curlButton, resendButton, cancelButton],
    }),
    element("div", { class: "columns" }, element("div", {}, states.element), element("div", {}, element("section", { class: "card", "aria-label": "About it" }, facts), content.element)),
  );
  return { title: `Message ${id}`, element: page, start: open, stop: () => (isShown = false) };
}

/** Whether nothing more can happen to it. */
function isSettled({ deliveries, summary, state, escalate = [] }) {
  const states = state ? [state] : Object.keys(summary).filter((name) => summary[name] > 0);
  return states.length > 0 && !states.some(isOpen) && escalate.length === 0 && deliveries !== undefined;
}

function factsOf({ to, from, accepted_at, expires_at, deliver_at, resend_of, resent_as = [] }) {
  const leads = (id) => anchor(id, address("messages", id), { class: "id" });
  const target =
    to.tag !== undefined ? anchor(to.tag, address("tags", to.tag))
    : to.device !== undefined ? anchor(`@${to.device}`, address("devices", to.device))
    : addressee(to);
  const left = expires_at - Date.now();
  return [
    from !== undefined && ["From", anchor(from, address("devices", from))],
    ["To", target],
    ["Accepted", `${time(accepted_at)}, ${ago(accepted_at)}`],
    deliver_at !== undefined && ["Handed over", time(deliver_at)],
    ["Expires", left > 0 ? `${time(expires_at)}, in ${span(left)}` : `${time(expires_at)}, ${ago(expires_at)}`],
    resend_of !== undefined && ["Resent from", leads(resend_of)],
    resent_as.length > 0 && ["Resent as", resent_as.flatMap((id) => [leads(id), " "])],
  ].filter(Boolean);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
