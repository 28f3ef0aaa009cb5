// Becoming a device: the code of a link is exchanged for a token, once.

import { copyable } from "../../js/dialogs.js";
import { button } from "../../js/dom.js";
import { clear } from "../shared/database.js";
import { BASE, HOST, PAIRING } from "../shared/place.js";
import * as self from "../shared/self.js";
import { Problem, askJson } from "../shared/service.js";
import { unsubscribe } from "../shared/subscription.js";
import { needsHomeScreen } from "./platform.js";
import { focusTitle, setName, setStatus, show, statement } from "./view.js";

/** @typedef {{ own?: self.Self, registration: Promise<ServiceWorkerRegistration | undefined>, done: (own: self.Self) => void, cancel: () => void }} Options */

/** @param {string} code @param {Options} options `own`: the device that this phone is already */
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
      ["Copy this link. Tap Share, then “Add to Home Screen”. Open tagpost from there, and paste the link. Only an app on the home screen can be woken on this system."],
      copyable("Pairing link", link),
      button("Use it in this browser, without notifications", () => exchange(code, options)),
    ),
  );
  focusTitle();
}

async function exchange(code, options) {
  show(statement("phone", "Pairing", [`Asking ${HOST} …`]));
  focusTitle();
  try {
    const next = await navigator.locks.request(PAIRING, () => become(code, options));
    // The messages of this phone stay when the system needs room, if it agrees.
    navigator.storage?.persist?.().catch(() => false);
    options.done(next);
  } catch (failure) {
    showFailure(failure, code, options);
  }
}

/** @returns {Promise<self.Self>} */
async function become(code, { own, registration }) {
  const { device, token } = await askJson("POST", "v1/pair", { body: { code } });
  if (own) await unsubscribe(await registration, own);
  await clear();
  await self.keep({ device, token });
  return { device, token };
}

function showFailure(failure, code, options) {
  const isFinal = failure instanceof Problem && !failure.isPassing;
  const title = isFinal ? "This link does not work any more" : `${HOST} does not answer`;
  const texts = isFinal
    ? ["A pairing link works once, for ten minutes. Make a new one: in the console, open the device and press “Add a phone”.", `The service says: ${failure.message}`]
    : ["Nothing has happened yet. Try again when there is a network."];
  const again = !isFinal && button("Try again", () => exchange(code, options), { class: "primary" });
  show(statement("warning", title, texts, again, button(options.own ? `Stay ${options.own.device}` : "Close", options.cancel)));
  focusTitle();
}
