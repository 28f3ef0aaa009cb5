// A new push URL: what to set in Firefox and in Sunup, and a QR code for a phone. The service does not store it.

import { copyable, showDialog } from "../dialogs.js";
import { element } from "../dom.js";
import { qrCode } from "../qr.js";

export function showPushUrl(device, url) {
  // `ws:` becomes `http:`, and `wss:` `https:`, as distributors of UnifiedPush take it.
  const server = url.replace(/^ws/, "http");
  const insecure = url.startsWith("ws:") && copyable("dom.push.testing.allowInsecureServerURL", "true");
  showDialog(`Push URL of ${device}`, [
    element(
      "p",
      {},
      `Whoever has this URL receives as ${device}: keep it as you keep a token. It is for one browser profile or one phone. ` +
        "The service does not store it. “Revoke tokens” ends it, with all tokens and push URLs of the device.",
    ),
    element("h3", {}, "Firefox, in about:config"),
    copyable("dom.push.serverURL", url),
    insecure,
    element("h3", {}, "Sunup, as the server"),
    copyable("Server", server),
    qrCode(server, "QR code of the server"),
  ]);
}
