// One message in the list, and the answer to it. All of it is text, never markup.

import { button, element, icon, uniqueId } from "../../js/dom.js";
import { addressee } from "../../js/format.js";
import { WITHDRAWN } from "../../js/states.js";
import { timeOfDay } from "./day.js";

/** @import { Entry } from "../shared/records.js" */

export class Card {
  element;
  #id;
  #owner;
  /** What is drawn, so that nothing is drawn again. */
  #drawn = "";

  /** @param {string} id @param {{ choose: (id: string, action: string) => void, decline: (id: string) => void }} owner */
  constructor(id, owner) {
    this.#id = id;
    this.#owner = owner;
    this.element = element("li", { class: "message", tabindex: "-1" });
  }

  /** @param {Entry} record @param {{ isUnsent: boolean, isNew: boolean }} more `isUnsent`: its answer waits for a network */
  update(record, { isUnsent, isNew }) {
    const { isRead, isShown, isMore, isHeld, ...seen } = record;
    const drawn = JSON.stringify([seen, isUnsent, isNew]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const hadFocus = this.element.contains(document.activeElement);
    this.element.dataset.state = record.state;
    this.element.replaceChildren(...[head(record, isNew), content(record), this.#foot(record, isUnsent)].filter(Boolean));
    if (hadFocus) this.element.focus();
  }

  #foot({ state, notification, answer, why, problem }, isUnsent) {
    if (state === "open") return this.#form(notification, problem);
    if (state === "over") return outcome("over", `No longer needed${why ? `: ${WITHDRAWN[why] ?? why}` : ""}`);
    if (state !== "answered") return undefined;
    const what = answer.label === undefined ? "Declined" : element("span", {}, "You chose ", element("b", { dir: "auto" }, answer.label));
    return isUnsent ? outcome("waiting", what, " · sent when there is a network") : outcome("answered", what);
  }

  #form({ title, actions }, problem) {
    const id = uniqueId("problem");
    return element(
      "div",
      { class: "answer", role: "group", "aria-label": title, "aria-describedby": problem && id },
      ...actions.map((action, at) => button(action.label, () => this.#owner.choose(this.#id, action.id), { dir: "auto", class: at === 0 && "primary" })),
      button("Decline", () => this.#owner.decline(this.#id), { class: "quiet" }),
      problem && element("p", { class: "error", id }, `The service did not accept your answer: ${problem}`),
    );
  }
}

/** What is read out of a message. @param {Entry} record */
export function spoken({ notification, text }) {
  if (!notification) return text;
  return notification.body === "" ? notification.title : `${notification.title}. ${notification.body}`;
}

function head({ from, to, arrivedAt }, isNew) {
  return element(
    "p",
    { class: "head" },
    isNew && element("span", { class: "new" }, element("span", { class: "visually-hidden" }, "New. ")),
    element("span", { class: "from" }, from),
    to.device === undefined && element("span", { class: "muted" }, `to ${addressee(to)}`),
    element("time", { class: "muted", datetime: new Date(arrivedAt).toISOString() }, timeOfDay(arrivedAt)),
  );
}

function content({ notification, text, isCode }) {
  if (!notification) return element("p", { class: isCode ? "text code" : "text", dir: isCode ? "ltr" : "auto" }, text);
  const { title, body, image, url } = notification;
  return element(
    "div",
    { class: "content" },
    element("h3", { dir: "auto" }, title),
    body !== "" && element("p", { dir: "auto" }, body),
    image !== undefined && element("img", { src: image, alt: "", loading: "lazy", referrerpolicy: "no-referrer" }),
    url !== undefined && element("a", { class: "out", href: url, target: "_blank", rel: "noopener noreferrer" }, new URL(url).host, icon("out")),
  );
}

const outcome = (symbol, ...content) => element("p", { class: "outcome", "data-outcome": symbol }, icon(symbol), element("span", {}, ...content));
