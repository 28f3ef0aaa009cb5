// What a knock does: the inbox is fetched, each message is shown once and answered, and what is over is taken down.
//
// A knock says nothing but that something may wait. It may come late, twice, or for what a page has taken already.
// Each part of the work is done whatever became of the others: one message that fails holds up none behind it.

import { isQuestion } from "../../js/notification.js";
import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as inbox from "../shared/inbox.js";
import { INBOX } from "../shared/place.js";
import * as records from "../shared/records.js";
import * as self from "../shared/self.js";
import { isRefusal } from "../shared/service.js";
import { refused } from "../shared/subscription.js";
import { whenOnline } from "../shared/sync.js";
import { nothingNew, show, showMore, takeDown, takeDownPassing, unpaired, unreachable } from "./show.js";

/** How often the inbox is asked for more after one knock. */
const ROUNDS = 40;
/** How many notifications without a question one knock shows; the others are counted. */
const SHOWN = 6;

/**
 * @param {{ isKnock?: boolean }} [options] `isKnock`: whether the browser expects that something is shown
 * @returns {Promise<void>}
 * @throws what failed, if it is no knock: the browser tries again then, after pauses of its own
 */
export function knocked({ isKnock = true } = {}) {
  return navigator.locks.request(INBOX, async () => {
    const own = await self.read();
    if (!own || own.isRefused) return isKnock && !(await hasPageInFront()) ? unpaired() : undefined;
    const shows = { plain: 0, questions: 0, more: [] };
    /** @type {unknown[]} */
    const failures = [];
    const attempt = (work) => work().catch((error) => void failures.push(error));
    await attempt(() => answers.flush(own));
    const isFetched = await attempt(() => fetchAll(own, shows, attempt));
    await attempt(() => showUnseen(shows));
    if (shows.more.length > 0) await attempt(() => moreIsThere(shows.more));
    // Without a network each request takes its time to fail, and a worker that was woken has about half a minute.
    if (isFetched) {
      await attempt(() => inbox.holdOpen(own));
      await attempt(async () => {
        for (const id of await inbox.endWithdrawn(own)) await takeDown(id);
      });
    }
    await attempt(updateBadge);
    await report(own, failures, isKnock, shows);
  });
}

/** Says what failed, and sees to it that something is shown. */
async function report(own, failures, isKnock, { plain, questions, more }) {
  const isRefused = failures.some(isRefusal);
  if (isRefused) await refused(registration, own);
  else if (failures.length > 0 && !isKnock) throw failures[0];
  else if (failures.length > 0) await whenOnline(registration);
  if (failures.length > 0 && !isRefused) console.warn("not everything was done:", failures[0]);
  // The browser takes a worker that shows nothing for one that works in secret.
  if (!isKnock || plain + questions + more.length > 0 || (await hasPageInFront())) return;
  if (isRefused) await unpaired();
  else if (failures.length > 0) await unreachable();
  else await nothingNew();
}

/** @returns {Promise<boolean>} true, once everything that waits was fetched */
async function fetchAll(own, shows, attempt) {
  const seen = new Set();
  for (let round = 0; round < ROUNDS; round++) {
    const messages = await inbox.poll(own);
    if (round === 0) await attempt(async () => takeDownPassing({ isAnswerKept: (await answers.unsent()).size > 0 }));
    // What could not be answered may come again at once.
    if (messages.every(({ id }) => seen.has(id))) return true;
    const taken = [];
    for (const message of messages) {
      seen.add(message.id);
      await attempt(async () => {
        const record = await records.take(message);
        if (!record.isShown) await showOnce(record, shows);
        taken.push(record);
      });
    }
    await Promise.all(taken.map((record) => attempt(() => settle(own, record))));
    await attempt(() => answers.flush(own));
  }
  return true;
}

/** What a page took, and went before anybody could see it. */
async function showUnseen(shows) {
  const isUnseen = ({ isShown, isRead, state }) => !isShown && !isRead && (state === "open" || state === "received");
  for (const record of (await records.all()).filter(isUnseen)) await showOnce(record, shows);
}

/** Tells the service what became of a message. An answer is written down here, and sent with the others. */
async function settle(own, record) {
  if (record.state === "answered") await answers.repeat(record);
  else if (record.state === "open") await inbox.hold(own, record);
  else await answers.acknowledge(record);
}

/** A message counts as shown once it was: a worker that ends in between shows it again, in the same place. */
async function showOnce(record, shows) {
  // The page shows it, and says so in the record.
  if (await hasPageInFront()) return;
  const isMore = !isQuestion(record.notification) && shows.plain >= SHOWN;
  if (isMore) {
    shows.more.push(record);
  } else {
    await show(record);
    shows[isQuestion(record.notification) ? "questions" : "plain"] += 1;
  }
  await records.change(record.id, { isShown: true, isMore });
}

/** Counts what earlier knocks have not shown one by one, too. */
async function moreIsThere(more) {
  const unread = (await records.all()).filter(({ isMore, isRead }) => isMore && !isRead);
  await showMore(unread.length, { isSilent: !more.some(({ urgency }) => urgency === "high") });
}

async function hasPageInFront() {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  return pages.some(({ visibilityState, url }) => visibilityState === "visible" && url.startsWith(registration.scope));
}
