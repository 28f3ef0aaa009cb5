// The subscription at the phone's own push service, and that tagpost knows it. What comes over it is empty.

import { Problem, askJson, devicePath } from "./service.js";
import * as self from "./self.js";

/** @import { Self } from "./self.js" */

/** The service does not wake anybody. */
export class WakeIsOff extends Error {}

/**
 * Makes the subscription if there is none, and tells the service about it if it does not have it. Does nothing for a
 * device that this phone is no longer.
 *
 * @param {ServiceWorkerRegistration} registration
 * @param {Self} own
 * @throws {WakeIsOff} and what the browser and the service say
 */
export async function subscribe({ pushManager }, own) {
  const key = await wakeKey();
  if (!(await self.isCurrent(own))) return;
  let subscription = await pushManager.getSubscription();
  if (subscription && !isFor(subscription, key)) {
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  // That may have taken a while: what is known now counts, not what the page was opened with.
  const current = await self.read();
  if (current?.token !== own.token || (await isKnown(current, subscription))) return;
  const answer = await askJson("PUT", `${devicePath(own)}/wake`, { token: own.token, body: { ...subscription.toJSON(), label: label() } });
  await self.change(own, { wake: { id: answer?.id, endpoint: subscription.endpoint } });
}

/**
 * Ends the subscription: in the browser, and at the service if it has it for this device.
 *
 * @param {ServiceWorkerRegistration | undefined} registration
 * @param {Self} [own]
 */
export async function unsubscribe(registration, own) {
  // The browser first: a knock for it fails from now on, and the service drops it by that at the latest.
  const subscription = await registration?.pushManager?.getSubscription().catch(() => null);
  await subscription?.unsubscribe().catch(() => false);
  const id = own?.isRefused ? undefined : own?.wake?.id;
  if (id !== undefined) await askJson("DELETE", `${devicePath(own)}/wake/${encodeURIComponent(id)}`, { token: own.token }).catch(() => {});
}

/**
 * The service does not take the token any more: nothing is to wake this phone for it.
 *
 * @param {ServiceWorkerRegistration | undefined} registration
 * @param {Self} own
 */
export async function refused(registration, own) {
  if (!(await self.isCurrent(own))) return;
  await self.change(own, { isRefused: true, wake: undefined });
  await unsubscribe(registration);
}

/** The key that the service signs its knocks with. */
async function wakeKey() {
  try {
    const { key } = await askJson("GET", "v1/wake-key");
    return bytesOf(key);
  } catch (failure) {
    if (failure instanceof Problem && failure.status === 404) throw new WakeIsOff();
    throw failure;
  }
}

/** The service drops a subscription that its push service calls gone. */
async function isKnown(own, { endpoint }) {
  if (own.wake?.endpoint !== endpoint || own.wake.id === undefined) return false;
  const { wake } = await askJson("GET", `${devicePath(own)}/wake`, { token: own.token });
  return wake.some(({ id }) => id === own.wake.id);
}

function isFor({ options }, key) {
  const current = options?.applicationServerKey;
  if (!current) return false;
  const bytes = new Uint8Array(current);
  return bytes.length === key.length && bytes.every((byte, at) => byte === key[at]);
}

/** Bytes from base64url. */
function bytesOf(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** What an operator reads in the list of subscriptions: the browser and the system. */
function label() {
  const agent = navigator.userAgent;
  const find = (names) => names.find(([, pattern]) => pattern.test(agent))?.[0];
  const browser = find([["Firefox", /Firefox|FxiOS/], ["Edge", /Edg/], ["Samsung Internet", /SamsungBrowser/], ["Chrome", /Chrom|CriOS/], ["Safari", /Safari/]]);
  const system = find([["Android", /Android/], ["iOS", /iPhone|iPad/], ["Windows", /Windows/], ["macOS", /Mac OS/], ["Linux", /Linux/]]);
  return `${browser ?? "Browser"} on ${system ?? "a device"}`;
}
