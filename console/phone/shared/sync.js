// Work that waits for a network, in browsers that wake a worker once there is one.

const TAG = "tagpost";

/**
 * Asks the browser to wake the worker when there is a network, if it can. Not for a worker that was woken so: what it
 * fails with makes the browser try again.
 *
 * @param {ServiceWorkerRegistration | undefined} registration
 */
export async function whenOnline(registration) {
  await registration?.sync?.register(TAG).catch(() => {});
}

/** @param {SyncEvent} event */
export const isOurs = ({ tag }) => tag === TAG;
