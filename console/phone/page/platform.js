// What this browser can do, and what a person has to do about it.

/** iPhones and iPads; the latter call themselves Macs. */
const isApple = /iPhone|iPad|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);

/** Whether this is the installed app. */
export const isInstalled = matchMedia("(display-mode: standalone)").matches || navigator.standalone === true;

/** On iOS only an app on the home screen can be woken, and it shares nothing with the browser. */
export const needsHomeScreen = isApple && !isInstalled;

/** Whether the browser can be woken, and show a notification. */
export const canBeWoken = "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;

/** The browser's offer to install the app, once it makes one. @type {any} */
let offer;
/** @type {Set<() => void>} */
const listeners = new Set();

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer = event;
  listeners.forEach((listener) => listener());
});
addEventListener("appinstalled", () => {
  offer = undefined;
  listeners.forEach((listener) => listener());
});

export const canInstall = () => offer !== undefined && !isInstalled;

/** @param {() => void} listener @returns {() => void} what ends it */
export function onInstallChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Asks the person, in the browser's own words. It can be asked once for each offer. */
export async function install() {
  const asked = offer;
  offer = undefined;
  await asked?.prompt();
  listeners.forEach((listener) => listener());
}
