// The list of what came: the questions that wait for the person, then everything else by day.

import { announce } from "../../js/announce.js";
import { element, icon } from "../../js/dom.js";
import { beginning } from "../../js/format.js";
import { updateBadge } from "../shared/badge.js";
import * as answers from "../shared/answers.js";
import { onChange } from "../shared/channel.js";
import * as records from "../shared/records.js";
import { Card, spoken } from "./card.js";
import { day } from "./day.js";
import { takeDownRead } from "./shown.js";

/** How much of a message is read out, in units of a string. */
const READ_OUT = 120;

export class List {
  element = element("div", { class: "list" });
  #owner;
  /** By the id of the message. @type {Map<string, Card>} */
  #cards = new Map();
  /** What was unread when it came into sight; it is marked as new until the page goes out of sight. @type {Set<string>} */
  #news = new Set();
  /** @type {string | undefined} */
  #revealed;
  #isInFront = false;
  #isFirst = true;
  #isStopped = false;
  #stopListening;
  /** Draws one at a time. @type {Promise<void>} */
  #drawn = Promise.resolve();
  #isDue = false;

  /** @param {{ choose: (id: string, action: string) => void, decline: (id: string) => void }} owner */
  constructor(owner) {
    this.#owner = owner;
    this.#stopListening = onChange(() => this.#changed());
    this.#changed();
  }

  stop() {
    this.#isStopped = true;
    this.#stopListening();
  }

  /** @param {boolean} isInFront whether the person looks at it */
  setInFront(isInFront) {
    this.#isInFront = isInFront;
    if (!isInFront) this.#news.clear();
    this.#changed();
  }

  /** Brings a message into sight. @param {string} [id] */
  reveal(id) {
    this.#revealed = id ?? this.#revealed;
    this.#changed();
  }

  /** Changes that come together are drawn together. */
  #changed() {
    if (this.#isDue || this.#isStopped) return;
    this.#isDue = true;
    const draw = () => {
      this.#isDue = false;
      return this.#isStopped ? undefined : this.#draw();
    };
    // The next change draws it all again.
    this.#drawn = this.#drawn.then(draw).catch((error) => console.error("the list was not drawn:", error));
  }

  async #draw() {
    const [all, unsent] = [await records.all(), await answers.unsent()];
    const unread = all.filter(({ isRead }) => !isRead);
    if (this.#isInFront) unread.forEach(({ id }) => this.#news.add(id));
    this.#tell(all);
    const cards = new Map(all.map((record) => [record.id, this.#card(record, unsent.has(record.id))]));
    this.#cards = cards;
    const open = all.filter(({ state }) => state === "open");
    const others = all.filter(({ state }) => state !== "open");
    const isEmpty = all.length === 0;
    place(this.element, [
      ...(open.length > 0 ? [group("Waiting for your answer", open, cards)] : []),
      ...byDay(others).map(([name, members]) => group(name, members, cards)),
      ...(isEmpty ? [empty()] : []),
    ]);
    this.#scroll();
    if (!this.#isInFront) return;
    await takeDownRead(new Set(open.map(({ id }) => id)));
    await records.markRead(unread.map(({ id }) => id));
    await updateBadge();
  }

  #card(record, isUnsent) {
    const card = this.#cards.get(record.id) ?? new Card(record.id, this.#owner);
    card.update(record, { isUnsent, isNew: this.#news.has(record.id) });
    return card;
  }

  /** Says what has come since the page was opened. */
  #tell(all) {
    const came = all.filter(({ id }) => !this.#cards.has(id));
    if (!this.#isFirst && this.#isInFront) {
      for (const record of came) {
        const kind = record.state === "open" ? "Question" : "Message";
        announce(`${kind} from ${record.from}: ${beginning(spoken(record), READ_OUT)}`);
      }
    }
    this.#isFirst = false;
  }

  #scroll() {
    const card = this.#revealed === undefined ? undefined : this.#cards.get(this.#revealed);
    if (!card) return;
    this.#revealed = undefined;
    card.element.scrollIntoView({ block: "center" });
    card.element.focus({ preventScroll: true });
  }
}

function group(name, members, cards) {
  return { key: name, make: () => element("section", { "aria-label": name }, element("h2", {}, name), element("ol", { class: "cards" })), cards: members.map(({ id }) => cards.get(id).element) };
}

function empty() {
  const make = () =>
    element(
      "section",
      { class: "statement" },
      element("span", { class: "emblem" }, icon("tray")),
      element("h2", {}, "Nothing yet"),
      element("p", { class: "muted" }, "What is sent to this phone appears here."),
    );
  return { key: "", make };
}

/** Puts these groups there, and leaves what is in its place alone: it may have the focus. */
function place(parent, groups) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = groups.map(({ key, make, cards }) => {
    const section = present.get(key) ?? make();
    section.dataset.key = key;
    if (cards) arrange(section.querySelector("ol"), cards);
    return section;
  });
  arrange(parent, wanted);
}

function arrange(parent, children) {
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

function byDay(all) {
  const days = new Map();
  for (const record of all) {
    const name = day(record.arrivedAt);
    days.set(name, [...(days.get(name) ?? []), record]);
  }
  return [...days];
}
