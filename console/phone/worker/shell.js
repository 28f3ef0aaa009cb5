// The app's own files, kept so that it opens without a network. One cache for each version, whole or not at all: the
// browser checks each file against the hash that the build has written into this worker.

import { NAME } from "../shared/place.js";

/** Written by the build: the version, and the files with their hashes. */
/* global SHELL */
const { version, files } = SHELL;

const PREFIX = `${NAME} `;
const CACHE = PREFIX + version;

/** The page is kept under this address, whatever follows it. */
const PAGE = new URL("./", location.href).href;
/** How the page names its version; something on the way may have changed the rest. */
const STAMP = `content="${version}"`;

const kept = new Set(files.map(([path]) => new URL(path, location.href).href));

/** Gets all files, past the browser's own cache. Fails if one of them is not of this version. */
export async function install() {
  const page = await fetch(PAGE, { cache: "reload", credentials: "omit" });
  if (!page.ok || !(await page.clone().text()).includes(STAMP)) throw new Error("the page is of another version");
  const cache = await caches.open(CACHE);
  const requests = files.map(([path, integrity]) => new Request(new URL(path, location.href), { cache: "reload", credentials: "omit", integrity }));
  await Promise.all([cache.addAll(requests), cache.put(PAGE, page)]);
}

/** Drops the files of other versions. */
export async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

/** Answers from the cache what is kept there, and leaves everything else to the network. */
export function answer(event) {
  const { request } = event;
  const url = new URL(request.url);
  url.search = url.hash = "";
  const isPage = request.mode === "navigate" && url.href === PAGE;
  if (request.method !== "GET" || !(isPage || kept.has(url.href))) return;
  event.respondWith(fromCache(url.href, request));
}

async function fromCache(address, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(address)) ?? fetch(request);
}
