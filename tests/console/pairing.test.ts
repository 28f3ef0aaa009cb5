// Adding a phone to a device: a link that a phone can scan, for as long as it is valid.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { claimsOf, useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, shows, useChromium } from "./browser.ts";
import { scanned } from "./scan.ts";

const relay = useRelay();
const browser = useChromium();

/** The dialog that adds a phone to a device, opened. */
async function opened(page: Page, device: Device): Promise<Locator> {
  await operator(page, relay, "devices", device.name);
  await page.getByRole("button", { name: "Add a phone" }).click();
  return page.getByRole("dialog", { name: `Add a phone as ${device.name}` });
}

const linkIn = (dialog: Locator): Promise<string> => dialog.getByLabel("Link", { exact: true }).inputValue();

/** What a phone gets that has opened this link. */
const pair = (url: string) => relay.request("POST", "/v1/pair", { body: { code: new URL(url).hash.slice(1) } });

describeInBrowser("adding a phone", () => {
  test.each(["light", "dark"] as const)("a phone can scan the link, which makes it the device, %s", async (colorScheme) => {
    const device = await relay.device();
    const { page, complaints, requests } = await browser.tab({ colorScheme });
    const dialog = await opened(page, device);
    const url = await linkIn(dialog);
    expect(url).toMatch(`${relay.url.origin}/phone#`);
    expect(await scanned(page, dialog.getByRole("img", { name: "QR code of the link" }))).toBe(url);
    await shows(dialog.getByText(/^Valid once, for another (10 min 0|9 min \d+) s\.$/));
    const { token, ...paired } = (await pair(url)).is(200);
    expect(paired).toEqual({ device: device.name });
    // It may receive and answer, and nothing else.
    const { iat, jti, ...rights } = claimsOf(token);
    expect([typeof iat, typeof jti]).toEqual(["number", "string"]);
    expect(rights).toEqual({ sub: device.name, publish: [], rev: 0 });
    await dialog.getByRole("button", { name: "Done" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(requests.filter((request) => request.includes(new URL(url).hash.slice(1)))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a new link ends the one before", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    const dialog = await opened(page, device);
    const first = await linkIn(dialog);
    await dialog.getByRole("button", { name: "New link" }).click();
    await shows(dialog.getByRole("status").getByText("This link is new. The one before has ended."));
    const second = await linkIn(dialog);
    expect(second).not.toBe(first);
    expect(await scanned(page, dialog.getByRole("img", { name: "QR code of the link" }))).toBe(second);
    (await pair(first)).problem(404, "unknown_code");
    (await pair(second)).is(200);
    expect(complaints).toEqual([]);
  });

  test("a link that has expired is no longer shown, and another can be had", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.clock.install();
    const dialog = await opened(page, device);
    await dialog.getByLabel("Link", { exact: true }).waitFor();
    await page.clock.runFor("09:50");
    await shows(dialog.getByText(/^Valid once, for another 0 min \d+ s\.$/));
    await page.clock.runFor("00:20");
    await shows(dialog.getByText("The link has expired."));
    expect(await dialog.getByRole("img").count()).toBe(0);
    expect(await dialog.getByLabel("Link", { exact: true }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("a link that is refused leaves the one before, and one without an answer may have ended it", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    const dialog = await opened(page, device);
    const url = await linkIn(dialog);
    await page.route("**/pair", (route) => route.fulfill({ status: 429, body: JSON.stringify({ title: "Too many requests", code: "too_many_requests" }) }));
    await dialog.getByRole("button", { name: "New link" }).click();
    await shows(dialog.getByRole("alert").getByText("Too many requests"));
    expect(await linkIn(dialog)).toBe(url);

    await page.unroute("**/pair");
    await page.route("**/pair", (route) => route.abort());
    await dialog.getByRole("button", { name: "New link" }).click();
    await shows(dialog.getByText("The link before may have ended."));
    expect(await dialog.getByLabel("Link", { exact: true }).count()).toBe(0);
  });
});
