// The failures that are selected, to be sent again together.

import { announce } from "../announce.js";
import { confirm } from "../dialogs.js";
import { button, element, uniqueId } from "../dom.js";
import { number, plural } from "../format.js";
import { byMessage } from "./resends.js";

/** How many messages are sent again at once at most. */
export const MOST = 100;

/**
 * `resends` sends them. `all(most)` returns the failures that are listed and can be selected, those of at most so many
 * messages; it may ask for more of them. `attempt(work)` runs `work`, and shows why it failed.
 */
export function selection(resends, { all, attempt }) {
  const chosen = new Map();
  const box = element("input", { type: "checkbox", onchange: () => (box.checked ? selectAll() : clear()) });
  const note = element("span", { class: "muted small", role: "status" });
  const progress = element("progress", { hidden: true, "aria-label": "Messages resent" });
  const go = button("Resend", start, { class: "small-button" });
  const stop = button("Stop", () => (isStopped = true), { class: "small-button", hidden: true });
  let isRunning = false;
  let isStopped = false;

  function show(text) {
    for (const [key, failure] of chosen) if (failure.isResent) chosen.delete(key);
    const count = byMessage(chosen.values()).length;
    if (count === 0) box.checked = false;
    box.indeterminate = count > 0 && !box.checked;
    go.classList.toggle("primary", count > 0);
    go.disabled = isRunning || count === 0;
    go.textContent = count === 0 ? "Resend" : `Resend ${number(count)}`;
    if (text !== undefined) note.textContent = text;
    else note.textContent = count === 0 ? "" : `${plural(count, "message")} selected`;
  }

  /** A box was ticked, or no longer is. */
  function choose(failure) {
    box.checked = false;
    if (!failure.isChosen) chosen.delete(failure.key);
    else chosen.set(failure.key, failure);
    if (byMessage(chosen.values()).length <= MOST) return show();
    chosen.delete(failure.key);
    failure.isChosen = false;
    show(`At most ${MOST} messages at once`);
  }

  function selectAll() {
    attempt(async () => {
      const { failures, isCut } = await all(MOST);
      unchoose();
      for (const failure of failures) {
        failure.isChosen = true;
        chosen.set(failure.key, failure);
      }
      show(isCut ? `The first ${MOST} messages are selected` : undefined);
    }, box);
  }

  function unchoose() {
    for (const failure of chosen.values()) failure.isChosen = false;
    chosen.clear();
  }

  function clear() {
    unchoose();
    show();
  }

  async function start() {
    const groups = resends.groups([...chosen.values()].filter(({ canBeSent }) => canBeSent));
    const count = groups.length;
    // They were resent by other ways meanwhile.
    if (count === 0) return show();
    const devices = groups.reduce((sum, { keys }) => sum + keys.length, 0);
    const what = count === 1 ? "It becomes a new message" : "Each becomes a new message";
    const text = `${what} of the same payload, with a new time to live, to the ${plural(devices, "device")} where it failed.`;
    const title = `Resend ${plural(count, "message")}?`;
    if (await confirm(title, text, `Resend ${plural(count, "message")}`, { isHarmless: true })) await send(groups);
  }

  /** Makes these requests, and says how far it is. */
  async function send(groups) {
    const count = groups.length;
    [isRunning, isStopped] = [true, false];
    [progress.max, progress.value] = [count, 0];
    progress.hidden = stop.hidden = false;
    go.hidden = true;
    show(`0 of ${number(count)} resent`);
    const ondone = ({ sent, failed }) => {
      progress.value = sent + failed;
      note.textContent = `${number(sent)} of ${number(count)} resent`;
    };
    const { sent, failed } = await resends.send(groups, { ondone, isStopped: () => isStopped });
    isRunning = false;
    progress.hidden = stop.hidden = true;
    go.hidden = false;
    const said = [`${number(sent)} of ${number(count)} resent`, failed > 0 && `${number(failed)} failed`, isStopped && "stopped"];
    show(said.filter(Boolean).join(", "));
    announce(note.textContent);
  }

  /** Sends one again; it is not among those that are selected any more. */
  async function resend(failure) {
    failure.isChosen = false;
    if (chosen.has(failure.key)) choose(failure);
    const done = await resends.send(resends.groups([failure]));
    // Others of the same message may be among those that are selected.
    if (!isRunning) show();
    return done;
  }

  box.id = uniqueId("all");
  const toolbar = element(
    "div",
    { class: "selection" },
    element("label", { for: box.id, class: "tick" }, box, "Select all"),
    note,
    progress,
    stop,
    go,
  );
  show();
  return { element: toolbar, choose, clear, resend };
}
