// What waits for this phone at the service: taken over HTTP, looked at, and said to be in progress.

import { elements, member } from "../../../clients/js/src/json.js";
import { decode, isJson } from "../../../clients/js/src/payload.js";
import { bytes } from "../../js/format.js";
import * as records from "./records.js";
import { ask, askJson, devicePath } from "./service.js";

/** How many messages are taken at a time. */
const TAKEN = 32;
/** How many messages of a look are on one page. */
const PAGE = 1_000;
/** The longest time for which a message can be in progress, in seconds. It ends with the message. */
const LONGEST_PROGRESS = 86_400;
/** What the sender reads meanwhile. */
const NOTE = "shown, waiting for an answer";

/** @import { Self } from "./self.js" */
/** @import { Entry } from "./records.js" */

/** The next messages that wait, as records take them. They count as sent. @param {Self} self */
export async function poll({ token }) {
  const text = await ask("GET", `v1/inbox?limit=${TAKEN}`, { token });
  const { messages } = JSON.parse(text);
  const texts = elements(member(text, "messages") ?? "[]");
  return messages.map((frame) => received(frame, member(texts.next().value ?? "{}", "payload")));
}

/** A message as records take it. `json` is its payload as it was written. */
function received(frame, json) {
  const payload = decode(frame);
  return { id: frame.id, from: frame.from, to: frame.to, sentAt: frame.sent_at, urgency: frame.urgency, payload, ...content(payload, frame.content_type, json) };
}

/** A payload as text: JSON as it was written, with every digit of its numbers. @returns {{ text: string, isCode: boolean }} */
export function content(payload, type, json) {
  if (payload instanceof Uint8Array) return { text: `${type}, ${bytes(payload.length)}`, isCode: false };
  if (typeof payload === "string" && !isJson(type)) return { text: payload, isCode: false };
  return { text: json ?? JSON.stringify(payload), isCode: true };
}

/** Says that a question waits for a person, so that it is not sent again meanwhile. @param {Self} self @param {Entry} record */
export async function hold({ token }, { id }) {
  await ask("POST", `v1/inbox/${encodeURIComponent(id)}/progress`, { token, body: { for: LONGEST_PROGRESS, note: NOTE } });
  await records.change(id, { isHeld: true }, ({ state }) => state === "open");
}

/**
 * Says it of every open question of which the service does not know it yet.
 *
 * @param {Self} self
 * @throws what kept the first of them from it, once all were tried
 */
export async function holdOpen(self) {
  const open = (await records.all()).filter(({ state, isHeld }) => state === "open" && !isHeld);
  const held = await Promise.allSettled(open.map((record) => hold(self, record)));
  const failed = held.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Finds the questions that nobody waits for any more. Only what the service has been told to hold can be missed there.
 *
 * @param {Self} self
 * @returns {Promise<string[]>} their ids
 */
export async function endWithdrawn(self) {
  const open = (await records.all()).filter(({ state, isHeld }) => state === "open" && isHeld);
  if (open.length === 0) return [];
  const waiting = await look(self);
  const over = open.filter(({ id }) => !waiting.has(id)).map(({ id }) => id);
  for (const id of over) await end(id);
  return over;
}

/** A question has ended without an answer of this phone. @param {string} id @param {string} [why] */
export function end(id, why) {
  return records.change(id, { state: "over", isRead: true, why }, ({ state }) => state === "open");
}

/** The ids of everything that waits; it counts as nothing. @param {Self} self @returns {Promise<Set<string>>} */
async function look(self) {
  const ids = new Set();
  let cursor;
  do {
    const page = `limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const { messages, next } = await askJson("GET", `${devicePath(self)}/inbox?${page}`, { token: self.token });
    for (const { id } of messages) ids.add(id);
    cursor = next;
  } while (cursor);
  return ids;
}
