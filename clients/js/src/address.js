// Where the service is. It may lie below a path, behind a proxy: nothing is ever asked for outside that path.

/**
 * The address that all paths of the service are resolved against: it ends in a slash.
 *
 * @param {string | URL} url
 * @returns {URL}
 * @throws {TypeError} it cannot be the address of a service
 */
export function serviceAt(url) {
  const base = new URL(url);
  if (!["http:", "https:"].includes(base.protocol)) throw new TypeError("url must begin with http:// or https://");
  if (base.username || base.password) throw new TypeError("url must not hold a user name or a password");
  base.pathname = base.pathname.replace(/\/*$/, "/");
  base.search = base.hash = "";
  return base;
}
