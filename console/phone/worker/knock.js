// What a knock does: the inbox is fetched, each message is shown once and answered, and what is over is taken down.
//
// A knock says nothing but that something may wait. It may come late, twice, or for what a page has taken already.

import { isQuestion } from "../../js/notification.js";
import * as answers from "../shared/answers.js";
import { updateBadge } from "../shared/badge.js";
import * as inbox from "../shared/inbox.js";
import { NAME } from "../shared/place.js";
import * as records from "../shared/records.js";
import * as self from "../shared/self.js";
import { Problem } from "../shared/service.js";
import { nothingNew, show, showMore, takeDown, unpaired, unreachable } from "./show.js";
import { whenOnline } from "./sync.js";

/** How often the inbox is asked for more after one knock. */
const ROUNDS = 40;
/** How many notifications without a question one knock shows; the others are counted. */
const SHOWN = 6;

/**
 * @param {{ isKnock?: boolean }} [options] `isKnock`: whether the browser expects that something is shown
 * @returns {Promise<void>}
 */
export function knocked({ isKnock = true } = {}) {
  return navigator.locks.request(`${NAME} inbox`, async () => {
    const isInFront = await hasPageInFront();
    const shows = { isInFront, plain: 0, questions: 0, more: 0 };
    const own = await self.read();
    if (!own || own.isRefused) return isKnock && !isInFront ? unpaired() : undefined;
    let failure;
    try {
      await answers.flush(own);
      await fetchAll(own, shows);
      for (const id of await inbox.endWithdrawn(own)) await takeDown(id);
    } catch (error) {
      failure = error;
    }
    if (shows.more > 0) await showMore(shows.more);
    await updateBadge();
    if (failure instanceof Problem && failure.status === 401) await self.change(own, { isRefused: true });
    else if (failure) await whenOnline();
    // The browser takes a worker that shows nothing for one that works in secret.
    const isSilent = shows.plain + shows.questions + shows.more === 0;
    if (!isKnock || isInFront || !isSilent) return;
    if (failure instanceof Problem && failure.status === 401) await unpaired();
    else if (failure) await unreachable();
    else await nothingNew();
  });
}

async function fetchAll(own, shows) {
  for (let round = 0; round < ROUNDS; round++) {
    const messages = await inbox.poll(own);
    if (messages.length === 0) return;
    for (const message of messages) {
      const record = await records.take(message);
      if (!record.isShown) await showOnce(record, shows);
      if (record.state === "answered") await answers.repeat(record);
      else if (record.state === "open") await inbox.hold(own, record);
      else await answers.acknowledge(record);
    }
    await answers.flush(own);
  }
}

/** A message counts as shown once it was: a worker that ends in between shows it again, in the same place. */
async function showOnce(record, shows) {
  if (shows.isInFront) {
    // The page shows it.
  } else if (isQuestion(record.notification)) {
    await show(record);
    shows.questions += 1;
  } else if (shows.plain < SHOWN) {
    await show(record);
    shows.plain += 1;
  } else {
    shows.more += 1;
  }
  await records.change(record.id, { isShown: true });
}

async function hasPageInFront() {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  return pages.some(({ visibilityState, url }) => visibilityState === "visible" && url.startsWith(registration.scope));
}
