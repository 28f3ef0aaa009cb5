// The answers of this phone, on their way to the service. An answer is written down before it is sent, and struck out
// once the service has it: what is given without a network is sent later. The first answer to a message counts.

import { choice } from "../../js/notification.js";
import { tell } from "./channel.js";
import { result, transaction } from "./database.js";
import { NAME } from "./place.js";
import * as records from "./records.js";
import { Problem, ask, isRefusal } from "./service.js";

/** How many are sent at the same time. */
const AT_ONCE = 8;

/** The reason of a question that the person declines. */
const DISMISSED = "dismissed";

/** @import { Entry } from "./records.js" */
/** @import { Self } from "./self.js" */

/** Acknowledges a message without a reply: it has been shown. @param {Entry} record */
export const acknowledge = ({ id }) => write({ id, path: "ack" });

/** Gives again what was answered before: the service asks for it. @param {Entry} record */
export const repeat = ({ id, answer = {} }) => write(answerOf(id, answer));

/** The person chooses an action of a question. @param {string} id @param {string} action */
export async function choose(id, action) {
  const record = await records.get(id);
  const chosen = record?.notification?.actions.find((offered) => offered.id === action);
  return chosen ? give(id, { label: chosen.label, reply: choice(chosen) }) : undefined;
}

/** The person declines a question. @param {string} id */
export const decline = (id) => give(id, { reason: DISMISSED });

/**
 * Sends what is not sent yet. One context at a time does. An answer that fails does not keep the others back.
 *
 * @param {Self} self
 * @returns {Promise<void>} everything is with the service
 * @throws what kept the first of them from being sent; it is sent again the next time
 */
export function flush({ token }) {
  return navigator.locks.request(`${NAME} answers`, async () => {
    const waiting = await transaction(["answers"], (store) => result(store.getAll()));
    const failures = [];
    while (waiting.length > 0) {
      const sent = await Promise.allSettled(waiting.splice(0, AT_ONCE).map((answer) => send(answer, token)));
      const failed = sent.flatMap(({ reason }) => (reason === undefined ? [] : [reason]));
      failures.push(...failed);
      if (failed.length === sent.length && failed.every(isGeneral)) break;
    }
    if (failures.length > 0) throw failures[0];
  });
}

/** The ids of the answers that are not with the service. @returns {Promise<Set<string>>} */
export async function unsent() {
  return new Set(await transaction(["answers"], (store) => result(store.getAllKeys())));
}

/** Whether other answers fail in the same way: there is no network, or the token is refused. */
const isGeneral = (failure) => !(failure instanceof Problem) || isRefusal(failure);

/** @returns {Promise<Entry | undefined>} `undefined`: the question is answered already, or over */
async function give(id, answer) {
  const changed = await transaction(["messages", "answers"], async (messages, answers) => {
    const record = await result(messages.get(id));
    if (record?.state !== "open") return undefined;
    const answered = { ...record, state: "answered", isRead: true, answer, problem: undefined };
    await result(messages.put(answered));
    await result(answers.put(answerOf(id, answer)));
    return answered;
  });
  if (changed) tell();
  return changed;
}

const write = (answer) => transaction(["answers"], (store) => result(store.put(answer)));

function answerOf(id, { reply, reason }) {
  return reason === undefined ? { id, path: "ack", body: reply === undefined ? undefined : { reply } } : { id, path: "nack", body: { reason } };
}

async function send({ id, path, body }, token) {
  try {
    await ask("POST", `v1/inbox/${encodeURIComponent(id)}/${path}`, { token, body });
  } catch (failure) {
    const isFinal = failure instanceof Problem && !failure.isPassing && !isRefusal(failure);
    if (!isFinal) throw failure;
    // The service will never take it: the question is open again, and says why.
    await records.change(id, { state: "open", answer: undefined, problem: failure.message }, ({ state }) => state === "answered");
  }
  await transaction(["answers"], (store) => result(store.delete(id)));
  tell();
}
