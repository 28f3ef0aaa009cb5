// What failed in the last day, newest first, each to be sent again. It comes from the directory, and wakes no mailbox.

import { query } from "../api.js";
import { announce } from "../announce.js";
import { anchor, button, element } from "../dom.js";
import { ago, time } from "../format.js";
import { pages } from "../list/pages.js";
import { badge } from "../message/badge.js";
import { resender } from "../message/resend.js";
import { Panel } from "../panel.js";
import { empty } from "../pages/page.js";
import { address } from "../routes.js";
import { FAILED, word } from "../states.js";

const DAY = 86_400_000;
/** How many more are shown each time. */
const MORE = 100;

/** `wanted`: the parameters of the list, as `{ tag }`. `first`: how many are shown at first. */
export function failures(api, { wanted = {}, first }) {
  const state = element(
    "select",
    { "aria-label": "State of the failures", onchange: () => panel.reload() },
    element("option", { value: "" }, "all states"),
    ...FAILED.map((value) => element("option", { value }, value)),
  );
  let isOff = false;
  const list = pages({
    load: async (cursor) => {
      const limit = cursor === undefined ? first : MORE;
      const answer = await api.get(query("v1/failures", { ...wanted, since: Date.now() - DAY, state: state.value, limit, cursor }));
      isOff = answer.off === true;
      return { rows: answer.failures.map(entry), next: answer.next };
    },
    attempt: (work, control) => panel.attempt(work, control),
  });

  function entry({ id, at, state, reason, sender, device, tag, resent_as }) {
    const outcome = element("span", { class: "outcome" });
    const again = button("Resend", send, { class: "small-button", "aria-label": `Resend to ${device}` });
    const isSent = (fresh) => outcome.replaceChildren(anchor("Resent", address("messages", fresh), { class: "small" }));
    const resend = resender(api, id, [device]);
    function send() {
      panel.attempt(async () => {
        isSent((await resend()).id);
        announce(`Sent again to ${device}`);
      }, again);
    }
    outcome.append(again);
    if (resent_as !== undefined) isSent(resent_as);
    const target = tag === undefined ? "" : ` to ${tag}`;
    return element(
      "li",
      { class: "entry failure" },
      element("span", { class: "ending" }, badge(state)),
      element(
        "span",
        { class: "name" },
        anchor(device, address("devices", device)),
        element("span", { class: "muted small" }, "from ", anchor(sender, address("devices", sender)), target, reason ? ` · ${reason}` : ""),
      ),
      anchor(ago(at), address("messages", id), { class: "small", title: time(at), "aria-label": `Message to ${device}, ${word(state)} ${ago(at)}` }),
      outcome,
    );
  }

  const panel = new Panel("Failures of the last day", {
    load: async () => {
      const shown = await list.begin(() => empty(state.value ? `Nothing was ${state.value}.` : "Nothing failed."));
      return [isOff && element("p", { class: "notice" }, "The service records no failures (FAILURES=off)."), ...shown];
    },
    actions: [state],
  });
  return panel;
}
