// Names as the service writes them, `accepted_at`, and as this library does, `acceptedAt`.

/** What devices and applications wrote, and what is named after a state: it is passed on as it is. */
const OPAQUE = new Set(["reply", "payload", "summary"]);

/**
 * The same document with the library's names.
 *
 * @param {any} document of the service
 * @returns {any}
 */
export function camelCase(document) {
  if (Array.isArray(document)) return document.map(camelCase);
  if (document === null || typeof document !== "object") return document;
  const entries = Object.entries(document);
  return Object.fromEntries(entries.map(([name, value]) => [camel(name), OPAQUE.has(name) ? value : camelCase(value)]));
}

/** @param {string} name */
function camel(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}
