// The webhook on the page of a device: set, tried, changed, given a new secret and removed.

import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { answers, Receiver } from "../harness/receiver.ts";
import { describeInBrowser, operator, shows, useChromium } from "./browser.ts";
import { violations } from "./axe.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });
const browser = useChromium();
const receiver = new Receiver();
beforeAll(() => receiver.start());
afterAll(() => receiver.stop());

/** The part of a device's page, opened. */
async function opened(page: Page, device: Device): Promise<Locator> {
  await operator(page, relay, "devices", device.name);
  const card = page.locator("details").filter({ has: page.getByRole("heading", { name: "Webhook" }) });
  await card.getByText("Webhook").click();
  return card;
}

describeInBrowser("a webhook in the console", () => {
  test.each(["light", "dark"] as const)("it is set, tried, changed and removed, %s", async (colorScheme) => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab({ colorScheme });
    const card = await opened(page, device);
    await card.getByRole("button", { name: "Set a webhook" }).click();
    const dialog = page.getByRole("dialog", { name: `Webhook of ${device.name}` });
    await dialog.getByLabel("Address").fill(receiver.url);
    await dialog.getByLabel("Requests at a time").fill("4");
    await dialog.getByRole("button", { name: "Set" }).click();
    const shown = page.getByRole("dialog", { name: `Secret of ${device.name}` });
    receiver.secrets = [await shown.getByLabel("Secret", { exact: true }).inputValue()];
    expect(await violations(page), "a secret").toEqual([]);
    await shown.getByRole("button", { name: "Done" }).click();
    await shows(card.getByText("messages, 4 at a time, 15 s to answer"));

    receiver.behave = answers(200);
    const sender = await relay.device();
    const { id } = (await sender.publish({ device: device.name }, { ring: true }, { wait: 10 })).is(200);
    receiver.behave = answers(418);
    await card.getByRole("button", { name: "Test" }).click();
    const tries = card.getByRole("list", { name: "Last tries" });
    await shows(tries.getByText(/^test: answered 418 after \d+ ms$/));
    const message = tries.getByText(/^message: answered 200 after \d+ ms$/);
    expect(await message.getByRole("link").getAttribute("href")).toBe(`#/messages/${id}`);
    expect(receiver.posted.at(-1)!.verifiedBy).toEqual(receiver.secrets);
    expect(await violations(page), "a webhook").toEqual([]);

    await card.getByRole("button", { name: "Change" }).click();
    await dialog.getByLabel("Post receipts").check();
    await dialog.getByRole("button", { name: "Set" }).click();
    await shows(card.getByText("messages and receipts, 4 at a time, 15 s to answer"));
    await card.getByRole("button", { name: "New secret" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Make" }).click();
    const renewed = await shown.getByLabel("Secret", { exact: true }).inputValue();
    expect(renewed).toMatch(/^whsec_/);
    expect(receiver.secrets).not.toContain(renewed);
    await shown.getByRole("button", { name: "Done" }).click();

    await card.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await shows(card.getByText(`${device.name} has no webhook.`, { exact: false }));
    (await relay.admin("GET", `/v1/devices/${device.name}/webhook`)).problem(404, "unknown_webhook");
    // The browser itself says so of each answer that there is no webhook: before it is set, and after it is removed.
    expect(complaints).toEqual(Array(2).fill(expect.stringContaining("404 (Not Found)")));
  });

  test("what is wrong is said where it was entered", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    const card = await opened(page, device);
    await card.getByRole("button", { name: "Set a webhook" }).click();
    const dialog = page.getByRole("dialog", { name: `Webhook of ${device.name}` });
    await dialog.getByRole("button", { name: "Set" }).click();
    await shows(dialog.getByRole("alert").getByText("Enter an address"));
    await dialog.getByLabel("Address").fill("https://10.0.0.1/");
    await dialog.getByRole("button", { name: "Set" }).click();
    await shows(dialog.getByRole("alert").getByText(/url must lead to a public host/i));
  });
});
