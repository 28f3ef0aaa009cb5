// The addresses of the pages: what follows `#/`. So each can be linked to, and Back leads back.
//
// A fragment with a credential is no address: session.js takes it out of the address bar.

/** The pages with a name in their address, by what stands before it. */
const NAMED = { devices: "device", tags: "tag", messages: "message" };
const UNNAMED = new Set(["devices", "tags", "play"]);

/** @typedef {{ page: string, name?: string }} Route */

/** The address of a page, to be used as a link. */
export const address = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

/** The page that a fragment names. @returns {Route} */
export function routeOf(fragment) {
  const [first, ...names] = fragment.replace(/^#?\/?/, "").split("/").map(decoded);
  if (first === "" && names.length === 0) return { page: "overview" };
  if (names.length === 0 && UNNAMED.has(first)) return { page: first };
  if (names.length === 1 && names[0] && Object.hasOwn(NAMED, first)) return { page: NAMED[first], name: names[0] };
  return { page: "unknown" };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
