// Replies as devices wrote them, next to their values: `JSON.parse` rounds numbers beyond 2^53.

import { elements, member } from "./json.js";

/**
 * Gives a delivery or receipt with a reply its `text`.
 *
 * @template {{ reply?: any, text?: string }} T
 * @param {T} settled
 * @param {string} json what it was read from
 * @returns {T}
 */
export function withText(settled, json) {
  const text = settled.reply === undefined ? undefined : member(json, "reply");
  if (text !== undefined) settled.text = text;
  return settled;
}

/**
 * Gives each delivery of an answer to a publish, or of a trace, the text of its reply.
 *
 * @template {{ deliveries?: { reply?: any, text?: string }[] }} T
 * @param {T} answer
 * @param {string} json what it was read from
 * @returns {T}
 */
export function withTexts(answer, json) {
  if (!answer.deliveries?.some(({ reply }) => reply !== undefined)) return answer;
  const deliveries = answer.deliveries.values();
  for (const text of elements(member(json, "deliveries") ?? "[]")) {
    const { value: delivery } = deliveries.next();
    if (delivery) withText(delivery, text);
  }
  return answer;
}
