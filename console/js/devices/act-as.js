// Acting as a device: the console connects in its place.

import { confirm } from "../dialogs.js";
import { address } from "../routes.js";

/**
 * Asks, then opens the device on the page of the demonstration. A device that is online is disconnected only if that
 * is ticked.
 */
export async function actAs(play, device, { isOnline }) {
  const what = `The console connects as ${device}: its messages come here, and you answer them. For that it makes a token of the device, valid for a day.`;
  const harm = `${device} is online. Acting as it disconnects the real device, which does not come back by itself.`;
  const agreed = await confirm(`Act as ${device}?`, isOnline ? `${harm} ${what}` : what, `Act as ${device}`, {
    tick: isOnline ? `Disconnect ${device}` : undefined,
    isHarmless: !isOnline,
  });
  if (!agreed) return;
  await play.act(device);
  location.hash = address("play");
}
