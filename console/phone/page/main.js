// The page's entry point: it is either about to become a device, or one already.

import { announceAlone } from "../../js/announce.js";
import * as self from "../shared/self.js";
import { onCode, takeCode } from "./code.js";
import { Paired } from "./paired.js";
import { showPairing } from "./pairing.js";
import { registerWorker } from "./registration.js";
import { showWelcome } from "./welcome.js";

/** @type {Paired | undefined} */
let paired;

const registration = registerWorker();

onCode(open);
await open(takeCode());

/** Shows what there is to do, with a pairing code or without. @param {string} [code] */
async function open(code) {
  const own = await self.read();
  const isDevice = own !== undefined && !own.isRefused;
  if (isDevice && code === undefined) return enter(own);
  paired?.stop();
  paired = undefined;
  if (code === undefined) return showWelcome({ wasRefused: own?.isRefused, pair: open });
  showPairing(code, { own: isDevice ? own : undefined, registration, done: become, cancel: () => open() });
}

/** The phone has been paired. @param {self.Self} own */
function become(own) {
  // Nothing of what it was before stays on the page, not even for a screen reader.
  announceAlone(`This phone is ${own.device}`);
  enter(own);
}

/** @param {self.Self} own */
function enter(own) {
  paired?.stop();
  paired = new Paired(own, registration, () => leave());
}

/** The phone is no device any more. */
function leave() {
  announceAlone("This phone is not paired");
  open();
}
