// Pairing codes in links: `…/phone#CODE`. A fragment is never sent to a server, and leaves the address bar at once.

const CODE = /^[A-Za-z0-9_-]{8,512}$/;

/** What a link has that was damaged on its way. */
export const INCOMPLETE = "";

/** @returns {string | undefined} the code of the link that opened the page, or `INCOMPLETE`; `undefined`: it has none */
export function takeCode() {
  const fragment = location.hash.slice(1);
  if (fragment === "") return undefined;
  history.replaceState(null, "", location.pathname);
  return CODE.test(fragment) ? fragment : INCOMPLETE;
}

/** Told of the code of each link that is opened in the page as it is. @param {(code: string) => void} listener */
export function onCode(listener) {
  addEventListener("hashchange", () => {
    const code = takeCode();
    if (code !== undefined) listener(code);
  });
}

/** @param {string} text a link, or a code alone @returns {string | undefined} */
export function codeIn(text) {
  const [, code = ""] = /(?:#|^)([^#]*)$/.exec(text.trim()) ?? [];
  return CODE.test(code) ? code : undefined;
}
