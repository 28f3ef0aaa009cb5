// The page's entry point: reads the credentials, and shows the page that the address names.

import { announceAlone } from "./announce.js";
import { Api, BASE, Problem, connection, devicePath } from "./api.js";
import { App } from "./app.js";
import { deviceOf } from "./credential.js";
import { address, routeOf } from "./routes.js";
import * as session from "./session.js";
import { onSignIn, showSignIn } from "./sign-in.js";

const signOut = document.getElementById("sign-out");
const lost = document.getElementById("lost");
let app;

document.getElementById("host").textContent = BASE.host + BASE.pathname.replace(/\/$/, "");
signOut.addEventListener("click", () => {
  leave();
  // Nothing of the session stays on the page, not even for a screen reader.
  announceAlone("Signed out");
});
onSignIn(enterWith);
connection.addEventListener("lost", () => (lost.hidden = false));
connection.addEventListener("back", () => (lost.hidden = true));
// A link pasted into the address bar of an open page changes only its fragment.
addEventListener("hashchange", () => {
  const link = session.takeLink();
  if (link) return follow(link);
  show();
  app?.focus();
});

const link = session.takeLink();
const kept = session.restore();
if (link) await follow(link);
else if (kept) open(kept);
else leave();

/** Opens what a link asks for. */
async function follow({ session: asked, devices, tag }) {
  try {
    if (asked.adminKey) await checkAdmin(asked.adminKey);
    open(asked);
    if (!app.isOperator) return;
    const opened = app;
    for (const device of devices) await opened.play.follow(device, tag);
    if (devices.length > 0 && opened === app) app.play.focus();
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
  if (device !== undefined && routeOf(location.hash).page === "overview") history.replaceState(null, "", address("play"));
  open(device === undefined ? { adminKey: credential, panes: [] } : { panes: [{ device, token: credential }] });
  app.focus();
}

function checkAdmin(adminKey) {
  return new Api(adminKey).get("v1/devices?limit=1");
}

function explain(error) {
  if (!(error instanceof Problem)) return error.message;
  if (error.status === 401) return "The service does not accept this key or token.";
  if (error.status === 403) return "This token does not have the permission for that.";
  return error.message;
}

function open(opened) {
  app?.stop();
  session.keep(opened);
  document.getElementById("sign-in").hidden = true;
  signOut.hidden = false;
  app = new App(document.getElementById("workspace"), document.getElementById("bar"), opened, {
    refused: () => leave(explain(new Problem(401))),
  });
  show();
}

function show() {
  app?.show(routeOf(location.hash));
}

/** Forgets every credential, ends every connection, and asks for a credential again. The address stays. */
function leave(why) {
  app?.stop();
  app = undefined;
  session.forget();
  signOut.hidden = true;
  document.title = "Sign in · tagpost";
  showSignIn(why);
}
