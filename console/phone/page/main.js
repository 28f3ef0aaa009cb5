// The page's entry point: it is either about to become a device, or one already.
//
// The database says who this phone is. Other pages, and the worker, may change it: the page follows.

import { announceAlone } from "../../js/announce.js";
import { onChange } from "../shared/channel.js";
import * as self from "../shared/self.js";
import { INCOMPLETE, onCode, takeCode } from "./code.js";
import { Paired } from "./paired.js";
import { showIncomplete, showPairing } from "./pairing.js";
import { registerWorker } from "./registration.js";
import { showWelcome } from "./welcome.js";

/** @type {Paired | undefined} */
let paired;
/** The token of the device that the page shows. @type {string | undefined} */
let shown;
/** Whether the person is asked something that nothing else may replace. */
let isPairing = false;
/** Looks one at a time. @type {Promise<void>} */
let looked = Promise.resolve();

const registration = registerWorker();

onCode(open);
await open(takeCode());
onChange(follow);
document.addEventListener("visibilitychange", follow);

/** Shows what there is to do, with a pairing code or without. @param {string} [code] */
async function open(code) {
  isPairing = code !== undefined;
  const before = await self.read();
  const own = before?.isRefused ? undefined : before;
  shown = own?.token;
  if (own && code === undefined) return enter(own);
  paired?.stop();
  paired = undefined;
  if (code === undefined) return showWelcome({ wasRefused: before?.isRefused, pair: open });
  const options = { own, before, registration, done: become, cancel: () => open() };
  if (code === INCOMPLETE) showIncomplete(options);
  else showPairing(code, options);
}

/** The phone has been paired. @param {self.Self} own */
function become(own) {
  isPairing = false;
  shown = own.token;
  announce(own);
  enter(own);
}

/** @param {self.Self} own */
function enter(own) {
  paired?.stop();
  paired = new Paired(own, registration);
}

/** Another page, or the service, may have made this phone another device, or none. */
function follow() {
  looked = looked.then(look).catch((error) => console.error("not known who this phone is:", error));
}

async function look() {
  if (isPairing) return;
  const own = await self.read();
  const token = own?.isRefused ? undefined : own?.token;
  if (isPairing || token === shown) return;
  announce(token === undefined ? undefined : own);
  await open();
}

/** Nothing of what it was before stays on the page, not even for a screen reader. @param {self.Self} [own] */
function announce(own) {
  announceAlone(own ? `This phone is ${own.device}` : "This phone is not paired");
}
