// The steps of a message itself, besides those of its deliveries: when it is handed over, to whom it escalated, and
// when enough devices had acknowledged it. A message without any of these shows nothing here.

import { element } from "../dom.js";
import { addressee, number, plural, time } from "../format.js";
import { look } from "../states.js";
import { Steps } from "./steps.js";

export class Plan {
  element;
  #steps;
  #ahead = element("p", { class: "muted small summary" });

  /** `startedAt`: when the service accepted the message, by its clock. */
  constructor(startedAt) {
    this.#steps = new Steps(startedAt);
    this.element = element("div", { class: "plan", hidden: true }, this.#steps.element, this.#ahead);
  }

  /** Draws what an answer or a trace says. */
  update(message) {
    const { accepted_at, state } = message;
    const [steps, ahead] = [stepsOf(message), aheadOf(message)];
    this.element.hidden = steps.length === 0 && ahead === "";
    this.element.dataset.tone = look(state ?? "accepted").tone;
    if (steps.length > 0) this.#steps.draw([{ event: "accepted", when: time(accepted_at) }, ...steps]);
    this.#ahead.textContent = ahead;
  }
}

/** The steps without a device, in order. */
function stepsOf({ acks_needed, enough_at, deliver_at, state, reason, timeline = [] }) {
  const schedule = deliver_at === undefined ? [] : [{ event: "scheduled", when: `for ${time(deliver_at)}` }];
  const escalations = timeline.filter(({ device }) => device === undefined).map(escalation);
  const enough = enough_at === undefined ? [] : [{ event: "enough", at: enough_at, detail: `${number(acks_needed)} needed` }];
  // The service does not say when a message without deliveries ended.
  const end = state === undefined || state === "scheduled" ? [] : [{ event: state, detail: reason }];
  return [...schedule, ...[...escalations, ...enough].sort((a, b) => a.at - b.at), ...end];
}

/** What is still to come, in words. */
function aheadOf({ acks_needed, enough_at, escalate = [] }) {
  const isMissing = acks_needed !== undefined && enough_at === undefined;
  const needed = isMissing ? [`${plural(acks_needed, "acknowledgement")} needed`] : [];
  return [...needed, ...escalate.map(({ to, after }) => `to ${addressee(to)} after ${number(after)} s`)].join("; ");
}

function escalation({ event, at, to, devices, code }) {
  return { event, at, detail: `to ${addressee(to)}: ${code ?? plural(devices, "device")}` };
}
