// Pairing codes in links: `…/phone#CODE`. A fragment is never sent to a server, and leaves the address bar at once.

const CODE = /^[A-Za-z0-9_-]{8,512}$/;

/** @returns {string | undefined} the code of the link that opened the page */
export function takeCode() {
  const fragment = location.hash.slice(1);
  if (location.hash) history.replaceState(null, "", location.pathname);
  return CODE.test(fragment) ? fragment : undefined;
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
