// Who gets in, and what is left behind: a bad key, a device's token, a revoked one, signing out.

import { expect, test } from "vitest";

import { mint, seconds, useRelay } from "../harness/index.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

/** Chromium logs every answer that is an error. */
const refusals = (complaints: string[]) => complaints.filter((text) => !text.includes("401 (Unauthorized)"));

const KEPT = "JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])";
const NOTHING = JSON.stringify([{}, {}, ""]);

describeInBrowser("credentials", () => {
  test.each([
    ["a bad key", () => "not-the-admin-key"],
    ["a token of another relay", () => mint("another-key-of-another-relay-0123", { sub: "doorbell", iat: seconds() })],
  ])("%s is refused with a message, and not kept", async (_name, credential) => {
    const { page, complaints } = await browser.tab();
    await page.goto(relay.url.origin);
    const input = page.getByLabel("Admin key, viewer key or device token");
    await input.fill(credential());
    await page.getByRole("button", { name: "Open" }).click();
    await shows(page.getByRole("alert").getByText("The service does not accept this key or token."));
    expect(await input.getAttribute("aria-invalid")).toBe("true");
    expect(await page.evaluate(KEPT)).toBe(NOTHING);
    expect(refusals(complaints)).toEqual([]);
  });

  test("a bad key in a link is refused, and gone from the address bar", async () => {
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, "not-the-admin-key"));
    await shows(page.getByRole("alert").getByText("The service does not accept this key or token."));
    expect(page.url()).toBe(`${relay.url.origin}/#/`);
    expect(refusals(complaints)).toEqual([]);
  });

  test("with a token alone one is its device, and no operator", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(relay.url.origin);
    await page.getByLabel("Admin key, viewer key or device token").fill(device.token);
    await page.keyboard.press("Enter");
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    expect(await page.getByRole("navigation").getByRole("link").allTextContents()).toEqual(["Play"]);
    expect((await device.status()).is(200).online).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("a reload keeps the session, signing out ends it and every connection", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    await page.reload();
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin key, viewer key or device token").waitFor();
    await device.offline();
    await page.locator("#announcer").getByText("Signed out").waitFor({ state: "attached" });
    expect(await page.getByText(device.name).count()).toBe(0);
    expect(await page.evaluate(KEPT)).toBe(NOTHING);
    expect(complaints).toEqual([]);
  });

  test("nothing is asked after signing out, whatever was under way", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    const [asked, signedOut] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const requests: string[] = [];
    // The relay's answers come only once the operator has signed out, or not at all.
    await page.route("**/v1/messages?*", async (route) => {
      asked.resolve();
      await signedOut.promise;
      await route.continue();
    });
    await device.send({ device: device.name }, "held for somebody", { wait: 0 });
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    await asked.promise;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin key, viewer key or device token").waitFor();
    page.on("request", (request) => requests.push(`${request.method()} ${request.url()}`));
    signedOut.resolve();
    // Longer than any pause after which something is asked for again.
    await page.waitForTimeout(4_000);
    expect(requests).toEqual([]);
  });

  test("a token that is revoked ends the pane's connection with the reason", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    const pane = paneOf(page, device.name);
    await shows(pane.getByText("online", { exact: true }));
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    await shows(pane.getByRole("alert").getByText("Its token is no longer valid."));
    await shows(pane.getByText("offline", { exact: true }));
  });

  test("a second connection of the device takes over, and the pane does not fight for it", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    const pane = paneOf(page, device.name);
    await shows(pane.getByText("online", { exact: true }));
    const newer = await device.connect();
    await shows(pane.getByText("Another connection of this device took over."));
    await newer.ping();
    await pane.getByRole("button", { name: "Bring online" }).click();
    expect((await newer.closed()).code).toBe(4409);
    await shows(pane.getByText("online", { exact: true }));
    expect(complaints).toEqual([]);
  });
});
