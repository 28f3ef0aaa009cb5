// Where the service is, for the page and the worker alike: both lie in `phone/` below it.

/** The service's address. It may have a path. */
export const BASE = new URL("../", location.href);

/** What this app calls everything that it stores: services below several paths of one host share the storage. */
export const NAME = `tagpost phone ${BASE.pathname}`;

/** The lock that is held while the page must not be reloaded. */
export const PAIRING = `${NAME} pairing`;

/** The lock of whoever takes messages in the worker, or forgets them all. */
export const INBOX = `${NAME} inbox`;

/** The service as people read it. */
export const HOST = BASE.host + BASE.pathname.replace(/\/$/, "");
