// Signs that a page is back: from a hidden tab, a sleeping machine, or a time without a network.

/**
 * Calls `wake` at each such sign. Outside of browsers there are none, and keep-alives have to do.
 *
 * @param {() => void} wake
 * @returns {() => void} what ends it
 */
export function onWake(wake) {
  const { document, navigator } = globalThis;
  const end = new AbortController();
  const options = { signal: end.signal };
  // Only browsers, their pages and their workers, know whether there is a network.
  if (navigator?.onLine !== undefined) {
    globalThis.addEventListener("online", wake, options);
    globalThis.addEventListener("pageshow", wake, options);
  }
  document?.addEventListener("resume", wake, options);
  document?.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") wake();
    },
    options,
  );
  return () => end.abort();
}
