// Hooks on the page of a device: made, copied or scanned, and revoked.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, shows, useChromium } from "./browser.ts";
import { scanned } from "./scan.ts";
import { violations } from "./axe.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });
const off = useRelay();
const browser = useChromium();

/** The part of a device's page, opened. */
async function opened(page: Page, device: Device, service = relay): Promise<Locator> {
  await operator(page, service, "devices", device.name);
  const card = page.locator("details").filter({ has: page.getByRole("heading", { name: "Hooks" }) });
  await card.getByText("Hooks").click();
  return card;
}

/** Fills in the dialog, and sends it. */
async function make(page: Page, card: Locator, device: Device, to: string): Promise<Locator> {
  await card.getByRole("button", { name: "New hook" }).click();
  const dialog = page.getByRole("dialog", { name: `New hook of ${device.name}` });
  await dialog.getByLabel("To", { exact: true }).selectOption("device");
  await dialog.getByLabel("Tag or device").fill(to);
  await dialog.getByLabel("Template").selectOption("text");
  await dialog.getByLabel("Label").fill("Backups");
  await dialog.getByRole("button", { name: "Make hook" }).click();
  return page.getByRole("dialog", { name: `Hook of ${device.name}`, exact: true });
}

describeInBrowser("hooks in the console", () => {
  test.each(["light", "dark"] as const)("a hook is made, and its URL can be scanned, %s", async (colorScheme) => {
    const [device, phone] = (await relay.devices(2)) as [Device, Device];
    const { page, complaints } = await browser.tab({ colorScheme });
    const card = await opened(page, device);
    const shown = await make(page, card, device, phone.name);
    const url = await shown.getByLabel("URL", { exact: true }).inputValue();
    expect(url).toMatch(`${relay.url.origin}/h/`);
    expect(await violations(page), "a hook").toEqual([]);
    expect(await scanned(page, shown.getByRole("img", { name: "QR code of the URL" }))).toBe(url);
    const { pathname } = new URL(url);
    (await relay.request("POST", pathname, { body: "12 GB" })).is(202);
    const [message] = await phone.inbox();
    expect(message).toMatchObject({ from: device.name, payload: { title: "Backups", body: "12 GB" } });

    await shown.getByRole("button", { name: "Done" }).click();
    await card.getByRole("button", { name: "Revoke all hooks" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    (await relay.request("POST", pathname, { body: "13 GB" })).is(202);
    await card.getByRole("button", { name: "Revoke all hooks" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await shows(page.getByText(`All hooks of ${device.name} are revoked`));
    (await relay.request("POST", pathname, { body: "14 GB" })).problem(404);
    expect(complaints).toEqual([]);
  });

  test("what is missing or wrong is said where it was entered", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    const card = await opened(page, device);
    await card.getByRole("button", { name: "New hook" }).click();
    const dialog = page.getByRole("dialog", { name: `New hook of ${device.name}` });
    await dialog.getByRole("button", { name: "Make hook" }).click();
    await shows(dialog.getByRole("alert").getByText("Enter the name of a tag or device"));
    await dialog.getByLabel("Tag or device").fill("phones");
    await dialog.getByLabel("Time to live in seconds").fill("soon");
    await dialog.getByRole("button", { name: "Make hook" }).click();
    await shows(dialog.getByRole("alert").getByText(/ttl must be a whole number/i));
  });

  test("a service without PUSH_KEY says that it has no hooks", async () => {
    const device = await off.device();
    const { page } = await browser.tab();
    const card = await opened(page, device, off);
    await card.getByRole("button", { name: "Revoke all hooks" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await shows(card.getByRole("alert").getByText("The service has no PUSH_KEY, and so no hooks."));
  });
});
