// One message that was sent: its deliveries, followed until each is in a terminal state.

import { announce } from "../announce.js";
import { Ended } from "../api.js";
import { anchor, button, element } from "../dom.js";
import { addressee, number, time, typed } from "../format.js";
import { notificationOf } from "../notification.js";
import { isOpen, word } from "../states.js";
import { Plan } from "../message/plan.js";
import { Timeline } from "../message/timeline.js";
import { address } from "../routes.js";

/** How many deliveries are drawn; the others of a large tag are only counted. */
const DRAWN = 6;
/** The shortest and the longest pause between two requests for the trace, in milliseconds. */
const PAUSES = [1000, 15_000];
/** How long to wait after a receipt for more, before the trace is requested, in milliseconds. */
const SOON = 100;

export class SentMessage {
  element;
  #api;
  #id;
  /** What was sent, if it is known and a notification: replies to it are shown in its words. */
  #notification;
  #since = performance.now();
  #isFollowed = true;
  #plan;
  #timelines = new Map();
  /** The devices whose receipt has come. One may come before the trace that has its delivery. */
  #receipts = new Set();
  #list = element("ul", { class: "deliveries" });
  #summary = element("p", { class: "muted small summary" });
  #error = element("p", { class: "error", role: "alert" });
  #cancelButton = button("Cancel", () => this.#cancel());
  #timer;

  /** `answer`: the answer to the publish, or a trace. `text`: the payload, if it is known. */
  constructor(api, answer, text) {
    this.#api = api;
    this.#id = answer.id;
    this.#notification = text === undefined ? undefined : notificationOf(typed(text).value);
    this.#plan = new Plan(answer.accepted_at);
    this.element = element(
      "li",
      { class: "message" },
      element(
        "p",
        { class: "message-head" },
        anchor(addressee(answer.to), address("messages", answer.id), { class: "name" }),
        element("time", { class: "muted small", datetime: new Date(answer.accepted_at).toISOString() }, time(answer.accepted_at)),
        this.#cancelButton,
      ),
      text !== undefined && element("pre", { class: "payload" }, text),
      this.#plan.element,
      this.#list,
      this.#summary,
      this.#error,
    );
    this.#show(answer);
    this.#lookIn(0);
  }

  /** Marks a delivery whose terminal state came as a receipt. */
  receipt(device) {
    this.#receipts.add(device);
    this.#timelines.get(device)?.receipt();
    this.#lookIn(SOON);
  }

  tick() {
    this.#timelines.forEach((timeline) => timeline.tick());
  }

  stop() {
    this.#isFollowed = false;
    clearTimeout(this.#timer);
  }

  /** Requests the trace after a pause, and again until every delivery is in a terminal state. */
  #lookIn(pause) {
    clearTimeout(this.#timer);
    if (this.#isFollowed) this.#timer = setTimeout(() => this.#look(), pause);
  }

  async #look() {
    // What nobody sees is not asked for.
    if (!document.hidden && this.element.isConnected) {
      await this.#api.get(`v1/messages/${this.#id}`).then(
        (trace) => this.#show(trace),
        (error) => (error.status === 404 || error instanceof Ended) && this.stop(),
      );
    }
    // Often at first, then less and less often.
    const [shortest, longest] = PAUSES;
    this.#lookIn(Math.min(longest, Math.max(shortest, (performance.now() - this.#since) / 10)));
  }

  /** Draws an answer or a trace. Only a trace has the steps, so only a settled trace ends the requests. */
  #show(message) {
    const { accepted_at, deliveries, escalate = [], summary, state, timeline } = message;
    this.#plan.update(message);
    for (const delivery of deliveries.slice(0, DRAWN)) {
      let drawn = this.#timelines.get(delivery.device);
      if (!drawn) {
        drawn = new Timeline(delivery.device, accepted_at, this.#notification);
        this.#timelines.set(delivery.device, drawn);
        this.#list.append(drawn.element);
        if (this.#receipts.has(delivery.device)) drawn.receipt();
      }
      const steps = timeline?.filter(({ device }) => device === delivery.device) ?? [];
      if (drawn.update(delivery, steps) && isOpen(delivery.state)) announce(`${delivery.device}: ${word(delivery.state)}`);
    }
    if (deliveries.length > DRAWN) {
      const counts = Object.entries(summary).map(([state, count]) => `${number(count)} ${word(state)}`);
      const all = anchor("all of them", address("messages", this.#id));
      this.#summary.replaceChildren(`${DRAWN} of ${number(deliveries.length)} devices; in total ${counts.join(", ")}; `, all);
    }
    // A large tag is delivered in parts: at first there are no deliveries, and no state either.
    const states = state ? [state] : deliveries.map((delivery) => delivery.state);
    const isSettled = states.length > 0 && !states.some(isOpen) && escalate.length === 0;
    this.#cancelButton.hidden = isSettled;
    if (isSettled && timeline) this.stop();
  }

  async #cancel() {
    this.#error.textContent = "";
    try {
      this.#show(await this.#api.request("DELETE", `v1/messages/${this.#id}`));
    } catch (failure) {
      this.#error.textContent = failure.message;
    }
  }
}
