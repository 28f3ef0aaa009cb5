// The service worker: it keeps the app's shell, and does what is to be done while no page is open.
//
// Each handler names its whole work before it ends, so that the browser keeps the worker alive for it.

import { isOurs } from "../shared/sync.js";
import { knocked } from "./knock.js";
import { renewed } from "./renewal.js";
import { answer, install, takeOver } from "./shell.js";
import { closed, tapped } from "./tap.js";

addEventListener("install", (event) => event.waitUntil(install().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(takeOver().then(() => clients.claim())));
addEventListener("fetch", (event) => answer(event));

on("push", () => knocked());
on("notificationclick", tapped);
on("notificationclose", closed);
on("pushsubscriptionchange", () => renewed());
on("sync", (event) => (isOurs(event) ? knocked({ isKnock: false }) : undefined));

function on(type, handle) {
  addEventListener(type, (event) => {
    const done = Promise.resolve(handle(event));
    event.waitUntil(done);
  });
}
