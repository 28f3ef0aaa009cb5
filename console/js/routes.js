// The addresses of the pages: what follows `#/`, with what is asked for on the page after a `?`. So each can be linked
// to, and Back leads back.
//
// A fragment with a credential is no address: session.js takes it out of the address bar.

import { query } from "./api.js";

/** The pages with a name in their address, by what stands before it. */
const NAMED = { devices: "device", tags: "tag", messages: "message" };
const UNNAMED = new Set(["devices", "tags", "messages", "play"]);

/** @typedef {{ page: string, name?: string, query: URLSearchParams }} Route */

/** The address of a page, to be used as a link. */
export const address = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

/** The page that a fragment names. @returns {Route} */
export function routeOf(fragment) {
  const [path, ...rest] = fragment.replace(/^#?\/?/, "").split("?");
  const asked = { query: new URLSearchParams(rest.join("?")) };
  const [first, ...names] = path.split("/").map(decoded);
  if (first === "" && names.length === 0) return { page: "overview", ...asked };
  if (names.length === 0 && UNNAMED.has(first)) return { page: first, ...asked };
  if (names.length === 1 && names[0] && Object.hasOwn(NAMED, first)) return { page: NAMED[first], name: names[0], ...asked };
  return { page: "unknown", ...asked };
}

/** Says in the address of the page that is shown what is asked for on it. Back leads to the page before. */
export function keepInAddress(parameters) {
  history.replaceState(null, "", query(location.hash.split("?")[0] || address(), parameters));
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
