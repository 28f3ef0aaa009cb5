// The phone's database, which the page and the worker share. A transaction that fails changes nothing.
//
// It knows which stores there are, and nothing of what is in them.

import { NAME } from "./place.js";

const VERSION = 1;

/** Who this phone is; the messages that came; the answers that are not with the service yet. */
const STORES = { self: null, messages: "id", answers: "id" };

/** @type {Promise<IDBDatabase> | undefined} */
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
    };
    request.onsuccess = () => {
      // A later version of the app, or another tab, may need it.
      request.result.onversionchange = close;
      request.result.onclose = () => (opened = undefined);
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  // The next attempt may succeed.
  opened.catch(() => (opened = undefined));
  return opened;
}

async function close() {
  (await opened)?.close();
  opened = undefined;
}

/** The result of one request. */
export function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * One transaction that reads and writes. `work` gets the stores of these names, in this order, and may wait for nothing
 * but their requests.
 *
 * @template T
 * @param {(keyof typeof STORES)[]} names
 * @param {(...stores: IDBObjectStore[]) => Promise<T>} work
 * @returns {Promise<T>} what it returned, once all of it is written
 */
export async function transaction(names, work) {
  const database = await open();
  const transaction = database.transaction(names, "readwrite");
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was given up"));
  });
  try {
    const value = await work(...names.map((name) => transaction.objectStore(name)));
    await done;
    return value;
  } catch (error) {
    done.catch(() => {});
    try {
      transaction.abort();
    } catch {
      // It has ended already.
    }
    throw error;
  }
}

/**
 * Forgets everything, and writes this instead, all at once.
 *
 * @param {Partial<Record<keyof typeof STORES, [key: string, value: unknown]>>} [content] of each store that is not left empty
 */
export function replaceAll(content = {}) {
  const names = Object.keys(STORES);
  return transaction(names, async (...stores) => {
    stores.forEach((store, at) => {
      store.clear();
      const [key, value] = content[names[at]] ?? [];
      if (key !== undefined) store.put(value, key);
    });
  });
}
