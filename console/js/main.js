// The page's entry point: reads the credentials and opens what they give access to.

import { announceAlone } from "./announce.js";
import { Api, BASE, Problem, devicePath } from "./api.js";
import { deviceOf } from "./credential.js";
import * as session from "./session.js";
import { onSignIn, showSignIn } from "./sign-in.js";
import { Workspace } from "./workspace.js";

const signOut = document.getElementById("sign-out");
let workspace;

document.getElementById("host").textContent = BASE.host + BASE.pathname.replace(/\/$/, "");
signOut.addEventListener("click", () => {
  leave();
  // Nothing of the session stays on the page, not even for a screen reader.
  announceAlone("Signed out");
});
onSignIn(enterWith);
// A link pasted into the address bar of an open page changes only its fragment.
addEventListener("hashchange", () => follow(session.takeLink()));

const link = session.takeLink();
const kept = session.restore();
if (link) await follow(link);
else if (kept) open(kept);
else leave();

/** Opens what a link asks for. */
async function follow(link) {
  if (!link) return;
  const { adminKey, panes } = link.session;
  try {
    if (adminKey) await checkAdmin(adminKey);
    for (const device of link.devices) {
      const { token } = await new Api(adminKey).request("PUT", devicePath(device));
      panes.push({ device, token, tag: link.tag });
    }
    open(link.session);
    workspace.focus();
  } catch (error) {
    leave(explain(error));
  }
}

/** Opens what was typed into the form; throws what the form shows. */
async function enterWith(credential) {
  const device = deviceOf(credential);
  try {
    if (device === undefined) await checkAdmin(credential);
    else await new Api(credential).get(devicePath(device));
  } catch (error) {
    throw new Error(explain(error));
  }
  open(device === undefined ? { adminKey: credential, panes: [] } : { panes: [{ device, token: credential }] });
}

function checkAdmin(adminKey) {
  return new Api(adminKey).get("v1/devices?limit=1");
}

function explain(error) {
  if (!(error instanceof Problem)) return error.message;
  if (error.status === 401) return "The relay does not accept this key or token.";
  if (error.status === 403) return "This token does not have the permission for that.";
  return error.message;
}

function open(opened) {
  workspace?.stop();
  session.keep(opened);
  document.getElementById("sign-in").hidden = true;
  signOut.hidden = false;
  workspace = new Workspace(document.getElementById("workspace"), opened, { refused: () => leave(explain(new Problem(401))) });
}

/** Forgets every credential, ends every connection, and asks for a credential again. */
function leave(why) {
  workspace?.stop();
  workspace = undefined;
  session.forget();
  signOut.hidden = true;
  showSignIn(why);
}
