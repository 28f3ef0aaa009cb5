// Adding a phone to a device: a link with a pairing code, which the phone scans. The service does not show it again.

import { devicePath, Unanswered } from "../api.js";
import { copyable, showDialog } from "../dialogs.js";
import { button, element } from "../dom.js";
import { qrCode } from "../qr.js";

/** How long a code is valid, in milliseconds from the answer that has it: the browser's clock may be wrong. */
const VALIDITY = 600_000;

/** A phone receives and answers, so it gets no more rights than that. */
const GRANT = JSON.stringify({ publish: [] });

/** Issues a code, and shows it until the dialog is closed. Throws if the service issues none. */
export async function addPhone(api, device) {
  const issue = () => api.request("POST", `${devicePath(device)}/pair`, { body: GRANT });
  const link = element("div", { class: "pairing" });
  const left = element("p", { class: "muted", role: "timer" });
  const news = element("p", { role: "status" });
  const error = element("p", { class: "error", role: "alert" });
  let end;

  const tick = () => {
    const seconds = Math.ceil((end - performance.now()) / 1000);
    if (seconds > 0) {
      left.textContent = `Valid once, for another ${Math.floor(seconds / 60)} min ${seconds % 60} s.`;
      return;
    }
    if (!link.hasChildNodes()) return;
    link.replaceChildren();
    left.textContent = "";
    news.textContent = "The link has expired.";
  };
  const show = ({ url }) => {
    end = performance.now() + VALIDITY;
    link.replaceChildren(qrCode(url, "QR code of the link"), copyable("Link", url));
    tick();
  };
  const renew = async () => {
    news.textContent = error.textContent = "";
    again.disabled = true;
    try {
      show(await issue());
      news.textContent = "This link is new. The one before has ended.";
    } catch (failure) {
      error.textContent = failure.message;
      if (!(failure instanceof Unanswered)) return;
      // The service may have issued the new one all the same.
      link.replaceChildren();
      left.textContent = "";
      news.textContent = "The link before may have ended.";
    } finally {
      again.disabled = false;
      again.focus();
    }
  };
  const again = button("New link", renew);

  show(await issue());
  const text =
    `Scan it with the phone, or open the link there. The first to open it becomes ${device}: keep it as you keep a token. ` +
    "The phone can receive and answer messages, but not publish.";
  const after = "A new link ends this one. If the phone says that the link was used already, somebody else has used it: revoke the tokens of the device.";
  const content = [element("p", {}, text), link, left, news, element("p", { class: "muted small" }, after), error];
  const dialog = showDialog(`Add a phone as ${device}`, content, [again]);
  const timer = setInterval(tick, 1000);
  dialog.addEventListener("close", () => clearInterval(timer));
}
