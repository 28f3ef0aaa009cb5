// Where the service is. It may lie below a path, behind a proxy: nothing is ever asked for outside that path.

/**
 * The address that all paths of the service are resolved against: it ends in a slash.
 *
 * @param {string | URL} url
 * @returns {URL}
 * @throws {TypeError} it cannot be the address of a service
 */
export function serviceAt(url) {
  if (url === undefined || url === "") throw new TypeError("url is missing: it is the address of the service, https://push.example.org");
  const base = parse(url);
  if (!["http:", "https:"].includes(base.protocol)) throw new TypeError("url must begin with http:// or https://");
  if (base.username || base.password) throw new TypeError("url must not hold a user name or a password");
  base.pathname = base.pathname.replace(/\/*$/, "/");
  if (base.pathname.endsWith("/v1/")) throw new TypeError("url must be the address of the service, without the /v1 of its paths");
  base.search = base.hash = "";
  return base;
}

/** @param {string | URL} url */
function parse(url) {
  try {
    return new URL(url);
  } catch {
    // What was given is not repeated: it may be a secret in the wrong place.
    throw new TypeError("url must be the address of the service: https://push.example.org");
  }
}
