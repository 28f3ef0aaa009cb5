// The messages that wait for a device, and what becomes of them while the device is watched. It is a look from outside:
// no message counts as sent, and the device does not count as seen.

import { devicePath, messagePath, query } from "../api.js";
import { anchor, button, element } from "../dom.js";
import { addressee, ago, bytes, span } from "../format.js";
import { pages } from "../list/pages.js";
import { badge } from "../message/badge.js";
import { payloadView } from "../message/payload.js";
import { Panel } from "../panel.js";
import { empty, isNarrow } from "../pages/page.js";
import { address } from "../routes.js";
import { isOpen } from "../states.js";
import { isChannel, sender } from "./live.js";

/** How many messages are shown at first, and how many more each time. */
const page = () => (isNarrow() ? 3 : 5);
/** How many are shown at most before new ones are no longer added. */
const MOST = 200;
const URGENCIES = ["high", "normal", "low", "very-low"];

/**
 * `onlist(messages)` is called with each page that has come. `take(steps)` follows what happened since, as the watch
 * tells it.
 */
export function queue(api, device, { onlist }) {
  const limit = page();
  let loading = 0;
  /** The steps that came while a page was asked for, which may be older or newer than they. */
  let missed = [];
  const list = pages({
    load: async (cursor, rows) => {
      loading += 1;
      try {
        const { messages, next } = await api.get(query(`${devicePath(device)}/inbox`, { limit, cursor }));
        if (list.isLatest(rows)) onlist(messages);
        return { rows: messages.filter(({ id }) => !rows.has(id)).map((message) => shown(message, rows).element), next };
      } finally {
        // After these rows are in their place.
        setTimeout(caughtUp);
      }
    },
    attempt: (work, control) => panel.attempt(work, control),
  });
  const none = () => empty(`Nothing waits for ${device}.`);
  const panel = new Panel("Queue", { load: () => list.begin(none) });

  function shown(message, rows) {
    const row = new Waiting(api, message, (work, control) => panel.attempt(work, control));
    rows.set(message.id, row);
    return row;
  }

  function caughtUp() {
    loading -= 1;
    if (loading > 0) return;
    const steps = missed;
    missed = [];
    take(steps);
  }

  function take(steps) {
    if (loading > 0) {
      missed.push(...steps);
      return;
    }
    const last = new Map();
    for (const step of steps) last.set(step.id, { ...last.get(step.id), ...step });
    for (const step of last.values()) follow(step);
  }

  /** The last of several steps of a message, with what the ones before said about it. */
  function follow(step) {
    const { rows } = list;
    const row = rows.get(step.id);
    if (!isOpen(step.event)) {
      rows.delete(step.id);
      row?.leave();
      if (row && rows.size === 0) panel.attempt(refill);
    } else if (row) {
      row.update(step.event, step.attempt);
    } else if (step.to !== undefined && rows.size < MOST) {
      // Only the first steps say what the message is; a later one is of a message on a further page.
      insert({ ...step, state: step.event, attempts: step.attempt });
    }
  }

  /** The last one that was listed has left: the next page takes its place. */
  async function refill() {
    const { rows } = list;
    if (list.hasMore) await list.more();
    if (rows === list.rows && rows.size === 0 && !list.hasMore) panel.show([none()]);
  }

  function insert(message) {
    const next = [...list.rows.values()].sort(order).find((row) => order(message, row) < 0);
    // What comes after all that is shown is on the next page.
    if (!next && list.hasMore) return;
    const { element } = shown(message, list.rows);
    if (next) next.element.before(element);
    else list.list.append(element);
    element.classList.add("arrived");
    if (!list.list.isConnected) panel.show(list.content);
  }

  return { element: panel.element, reload: () => panel.reload(), take };
}

/** The service's order: the most urgent first, then the oldest, whose id is the least. */
const order = (one, other) => URGENCIES.indexOf(one.urgency) - URGENCIES.indexOf(other.urgency) || (one.id < other.id ? -1 : 1);

/** A message in the list. */
class Waiting {
  element;
  id;
  urgency;
  #api;
  #attempt;
  #state = element("span");
  #attempts = element("span");
  #content = element("div", { class: "peek" });
  #payload;

  /** `attempt(work, control)` runs `work`, and shows why it failed. */
  constructor(api, message, attempt) {
    const { id, from, to, sent_at, expires_at, urgency, topic, content_type, size, state, attempts } = message;
    [this.id, this.urgency, this.#api, this.#attempt] = [id, urgency, api, attempt];
    const facts = [
      to.device === undefined && `to ${addressee(to)}`,
      `${content_type}, ${bytes(size)}`,
      urgency !== "normal" && `urgency ${urgency}`,
      topic && `topic ${topic}`,
      `expires in ${span(expires_at - Date.now())}`,
    ];
    const label = `Payload of the message ${sender(from)}, ${ago(sent_at)}`;
    this.element = element(
      "li",
      { class: "entry waiting" },
      element(
        "span",
        { class: "name" },
        isChannel(from) ? element("span", {}, sender(from)) : anchor(sender(from), address("messages", id)),
        element("span", { class: "muted small" }, facts.filter(Boolean).join(" · "), this.#attempts),
        this.#content,
      ),
      element("time", { class: "muted small", datetime: new Date(sent_at).toISOString() }, ago(sent_at)),
      this.#state,
      // What comes over a channel is encrypted for the app that subscribed.
      !isChannel(from) && button("Payload", ({ currentTarget }) => this.#show(currentTarget), { class: "small-button", "aria-label": label }),
    );
    this.update(state, attempts);
  }

  update(state, attempts) {
    this.#state.replaceChildren(badge(state));
    this.#attempts.textContent = attempts > 0 ? ` · attempt ${attempts}` : "";
  }

  /** It does not wait any more. */
  leave() {
    this.element.remove();
  }

  #show(control) {
    this.#attempt(async () => {
      if (this.#content.hasChildNodes()) return this.#content.replaceChildren();
      this.#payload ??= await this.#api.bytes(`${messagePath(this.id)}/payload`).catch(gone);
      this.#content.replaceChildren(this.#payload ? payloadView(this.#payload, this.id) : empty("The payload is no longer available."));
    }, control);
  }
}

/** The message has left the queue, or its sender was deleted. */
function gone(error) {
  if (error.code === "payload_gone" || error.code === "unknown_message") return undefined;
  throw error;
}
