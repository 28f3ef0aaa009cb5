// The service worker of this page, and its next versions.

import { PAIRING } from "../shared/place.js";

/** The one script that may become a worker. */
const script = { createScriptURL: () => "sw.js" };
const policy = globalThis.trustedTypes?.createPolicy("worker", script) ?? script;

/** Milliseconds that the worker may take until it works. */
const LONGEST_START = 20_000;

/** Milliseconds after which an open page looks for a new version. */
const OLD = 3_600_000;

/**
 * @returns {Promise<ServiceWorkerRegistration | undefined>} `undefined`: the browser has none, or refused it
 */
export async function registerWorker() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return undefined;
  let isControlled = serviceWorker.controller !== null;
  let isReloading = false;
  serviceWorker.addEventListener("controllerchange", () => {
    // The first worker serves what the page has. A later one brings other files.
    const isFirst = !isControlled;
    isControlled = true;
    if (isFirst || isReloading) return;
    isReloading = true;
    // Not while a code is being exchanged: its token would be lost.
    navigator.locks.request(PAIRING, () => location.reload());
  });
  try {
    const registration = await serviceWorker.register(policy.createScriptURL(""), { scope: "./", updateViaCache: "none" });
    lookForUpdates(registration);
    return registration;
  } catch (error) {
    console.error("the service worker was not registered:", error);
    return undefined;
  }
}

/**
 * This registration once its worker works.
 *
 * @param {ServiceWorkerRegistration} registration
 * @throws {Error} it does not come to that, or not in time: a file of it could not be had, for example
 */
export function working({ installing }) {
  const failed = new Promise((_, reject) => {
    const fail = () => reject(new Error("the service worker does not start"));
    installing?.addEventListener("statechange", () => installing.state === "redundant" && fail());
    setTimeout(fail, LONGEST_START);
  });
  return Promise.race([navigator.serviceWorker.ready, failed]);
}

function lookForUpdates(registration) {
  let looked = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || Date.now() - looked < OLD) return;
    looked = Date.now();
    registration.update().catch(() => {});
  });
}
