// The messages that wait for a device. It is a look from outside: no message counts as sent, and the device does not
// count as seen.

import { devicePath, query } from "../api.js";
import { anchor, button, element } from "../dom.js";
import { addressee, ago, bytes, span } from "../format.js";
import { pages } from "../list/pages.js";
import { badge } from "../message/badge.js";
import { payloadView } from "../message/payload.js";
import { Panel } from "../panel.js";
import { empty, isNarrow } from "../pages/page.js";
import { address } from "../routes.js";

/** How many messages are shown at first, and how many more each time. */
const page = () => (isNarrow() ? 3 : 5);

export function queue(api, device) {
  const path = `${devicePath(device)}/inbox`;
  const limit = page();
  const list = pages({
    load: async (cursor) => {
      const { messages, next } = await api.get(query(path, { limit, cursor }));
      return { rows: messages.map((message) => waiting(message, cursor)), next };
    },
    attempt: (work, control) => panel.attempt(work, control),
  });

  function waiting(message, cursor) {
    const { id, from, to, sent_at, expires_at, urgency, topic, content_type, size, state, attempts } = message;
    const facts = [
      to.device === undefined && `to ${addressee(to)}`,
      `${content_type}, ${bytes(size)}`,
      urgency !== "normal" && `urgency ${urgency}`,
      topic && `topic ${topic}`,
      attempts > 0 && `attempt ${attempts}`,
      `expires in ${span(expires_at - Date.now())}`,
    ];
    const content = element("div", { class: "peek" });
    const show = () =>
      panel.attempt(async () => {
        if (content.hasChildNodes()) return content.replaceChildren();
        // The service gives payloads with a page of the list.
        const answer = await api.bytes(query(path, { limit, cursor, payload: true }));
        const found = JSON.parse(new TextDecoder().decode(answer.bytes), exact).messages.find((other) => other.id === id);
        content.replaceChildren(found ? payloadView(decoded(found)) : empty("It does not wait any more."));
      });
    return element(
      "li",
      { class: "entry" },
      element(
        "span",
        { class: "name" },
        anchor(`from ${from}`, address("messages", id)),
        element("span", { class: "muted small" }, facts.filter(Boolean).join(" · ")),
        content,
      ),
      element("time", { class: "muted small", datetime: new Date(sent_at).toISOString() }, ago(sent_at)),
      badge(state),
      button("Payload", show, { class: "small-button", "aria-label": `Payload of the message from ${from}, ${ago(sent_at)}` }),
    );
  }

  const panel = new Panel("Queue", {
    load: () => list.begin(() => empty(`Nothing waits for ${device}.`)),
  });
  return panel;
}

/** A payload as bytes with their type, from the form that it has in a list. */
function decoded({ payload, encoding, content_type }) {
  const isText = typeof payload === "string" && !isJson(content_type);
  const bytes =
    encoding === "base64"
      ? Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))
      : new TextEncoder().encode(isText ? payload : JSON.stringify(payload));
  return { type: content_type, bytes };
}

const isJson = (type) => /^application\/(?:json|[^;]*\+json)/.test(type);

/** Keeps every digit of a number, where the browser can. */
const exact = (_key, value, { source } = {}) =>
  typeof value === "number" && source !== undefined && JSON.rawJSON ? JSON.rawJSON(source) : value;
