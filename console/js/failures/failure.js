// One failure in a list: what failed, why, and what became of sending it again.

import { anchor, button, element } from "../dom.js";
import { ago, time } from "../format.js";
import { badge } from "../message/badge.js";
import { address } from "../routes.js";
import { word } from "../states.js";

/** What tells a failure from all others: a delivery fails once. */
export const keyOf = ({ id, device }) => `${id} ${device}`;

export class Failure {
  element;
  id;
  device;
  at;
  #box;
  #again;
  #outcome = element("span", { class: "outcome" });
  #error = element("span", { class: "error", role: "alert" });
  #isResent = false;
  #isBusy = false;

  /**
   * `found`: as the service lists it. `onchoose(failure)`: the box is ticked, or no longer is; `onresend(failure)`: it
   * is to be sent again.
   */
  constructor(found, { onchoose, onresend }) {
    const { id, at, state, reason, sender, device, tag } = found;
    [this.id, this.device, this.at] = [id, device, at];
    this.#box = element("input", { type: "checkbox", "aria-label": `Select the message to ${device}`, onchange: () => onchoose(this) });
    this.#again = button("Resend", () => onresend(this), { class: "small-button", "aria-label": `Resend to ${device}` });
    this.#outcome.append(this.#again);
    const target = tag === undefined ? "" : ` to ${tag}`;
    this.element = element(
      "li",
      { class: "entry failure" },
      element("label", { class: "tick" }, this.#box),
      element("span", { class: "ending" }, badge(state)),
      element(
        "span",
        { class: "name" },
        anchor(device, address("devices", device)),
        element("span", { class: "muted small" }, "from ", anchor(sender, address("devices", sender)), target, reason ? ` · ${reason}` : ""),
        this.#error,
      ),
      anchor(ago(at), address("messages", id), { class: "small when", title: time(at), "aria-label": `Message to ${device}, ${word(state)} ${ago(at)}` }),
      this.#outcome,
    );
    this.update(found);
  }

  get key() {
    return keyOf(this);
  }

  get isChosen() {
    return this.#box.checked;
  }

  set isChosen(isChosen) {
    this.#box.checked = isChosen && this.canBeSent;
  }

  /** Whether it was not sent again, and is not being sent. */
  get canBeSent() {
    return !this.#isResent && !this.#isBusy;
  }

  get isResent() {
    return this.#isResent;
  }

  /** What the service says by now. */
  update({ resent_as }) {
    if (resent_as !== undefined && !this.#isResent) this.resent(resent_as);
  }

  /** It is being sent again. */
  wait() {
    this.#isBusy = true;
    this.#again.disabled = this.#box.disabled = true;
    this.#error.textContent = "";
  }

  /** It was sent again, as the message with this id. */
  resent(fresh) {
    this.#isResent = true;
    this.#box.checked = false;
    this.#box.disabled = true;
    this.#error.textContent = "";
    const had = this.#outcome.contains(document.activeElement);
    const link = anchor("Resent", address("messages", fresh), { class: "small" });
    this.#outcome.replaceChildren(link);
    if (had) link.focus();
  }

  /** It is not being sent any more, and this is why. Nothing, once it was sent again. */
  failed(why) {
    if (this.#isResent) return;
    this.#isBusy = false;
    this.#again.disabled = this.#box.disabled = false;
    this.#error.textContent = why;
  }
}
