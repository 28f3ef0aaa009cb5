// Work that waits for a network, in browsers that wake a worker once there is one.

const TAG = "tagpost";

/** Asks the browser to wake this worker when there is a network, if it can. */
export async function whenOnline() {
  await registration.sync?.register(TAG).catch(() => {});
}

/** @param {SyncEvent} event */
export const isOurs = ({ tag }) => tag === TAG;
