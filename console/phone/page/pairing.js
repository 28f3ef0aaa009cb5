// Becoming a device: the code of a link is exchanged for a token, once.

import { copyable } from "../../js/dialogs.js";
import { button } from "../../js/dom.js";
import { BASE, HOST, INBOX, PAIRING } from "../shared/place.js";
import * as self from "../shared/self.js";
import { Problem, Unanswered, askJson } from "../shared/service.js";
import { unsubscribe } from "../shared/subscription.js";
import { needsHomeScreen } from "./platform.js";
import { focusTitle, numbered, setName, setStatus, show, statement } from "./view.js";

/** @typedef {{ own?: self.Self, before?: self.Self, registration: Promise<ServiceWorkerRegistration | undefined>, done: (own: self.Self) => void, cancel: () => void }} Options */

/** @param {string} code @param {Options} options `own`: the device that this phone is already; `before`: the same, or one whose token is refused */
export function showPairing(code, options) {
  const { own, cancel } = options;
  setName(own?.device);
  setStatus();
  if (needsHomeScreen) return showHomeScreen(code, options);
  if (!own) return exchange(code, options);
  show(
    statement(
      "phone",
      "Pair this phone again?",
      [`It is ${own.device} now. With this link it becomes the device that the link is for, and its list of messages is emptied.`],
      button("Pair again", () => exchange(code, options), { class: "primary" }),
      button(`Stay ${own.device}`, cancel),
    ),
  );
  focusTitle();
}

/** Where an app on the home screen shares nothing with the browser, the link is to be opened there. */
function showHomeScreen(code, options) {
  const link = new URL(`phone#${code}`, BASE).href;
  show(
    statement(
      "add",
      "First add tagpost to the home screen",
      ["On this system only an app on the home screen can be woken."],
      numbered(["Copy the link below.", "Tap Share, then “Add to Home Screen”.", "Open tagpost from the home screen, and paste the link there."]),
      copyable("Pairing link", link, { class: "primary" }),
      button("Use it in this browser, without notifications", () => exchange(code, options), { class: "quiet" }),
    ),
  );
  focusTitle();
}

async function exchange(code, options) {
  show(statement("phone", "Pairing", [`Asking ${HOST} …`]));
  focusTitle();
  try {
    // Not while a worker writes messages of another device, nor while the page may be reloaded.
    const next = await navigator.locks.request(PAIRING, () => navigator.locks.request(INBOX, () => become(code, options)));
    // The messages of this phone stay when the system needs room, if it agrees.
    navigator.storage?.persist?.().catch(() => false);
    options.done(next);
  } catch (failure) {
    showFailure(failure, code, options);
  }
}

/** @returns {Promise<self.Self>} */
async function become(code, { before, registration }) {
  // It may have subscribed since the page was opened.
  const last = (await self.read()) ?? before;
  const { device, token } = await askJson("POST", "v1/pair", { body: { code } });
  // The code is used up: nothing comes before the token is kept.
  await self.become({ device, token });
  // What woke it for another device, or for a token that is refused, is not to wake it for this one.
  await unsubscribe(await registration, last).catch((error) => console.warn("not unsubscribed:", error));
  return { device, token };
}

/** A link that was damaged on its way. @param {{ own?: self.Self, cancel: () => void }} options */
export function showIncomplete({ own, cancel }) {
  setName(own?.device);
  setStatus();
  show(statement("warning", "This link is incomplete", ["It ends in # and a code, but part of the code is missing. Scan it again, or copy all of it."], button(closing(own), cancel, { class: "primary" })));
  focusTitle();
}

function showFailure(failure, code, options) {
  const { isFinal, title, texts } = reason(failure);
  const again = !isFinal && button("Try again", () => exchange(code, options), { class: "primary" });
  show(statement("warning", title, texts, again, button(closing(options.own), options.cancel, { class: isFinal && "primary" })));
  focusTitle();
}

function reason(failure) {
  if (failure instanceof Problem && !failure.isPassing) {
    const what = "A pairing link works once, for ten minutes. Make a new one: in the console, open the device and press “Add a phone”.";
    return { isFinal: true, title: "This link no longer works", texts: [what, `The service says: ${failure.message}`] };
  }
  const texts = ["The link may have been used. Try again; if it no longer works, make a new one."];
  const isUnanswered = failure instanceof Unanswered || failure instanceof Problem;
  if (!isUnanswered) console.error("not paired:", failure);
  return { isFinal: false, title: isUnanswered ? `${HOST} does not answer` : "This phone could not store its token", texts };
}

const closing = (own) => (own ? `Stay ${own.device}` : "Close");
