// Web Push on the page of a device: a URL to connect with, and the channels that its user agent holds.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { UserAgent, subscribed } from "../harness/agent.ts";
import { useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, panel, shows, useChromium } from "./browser.ts";
import { scanned } from "./scan.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });
const off = useRelay();
const browser = useChromium();

/** The part of a device's page, opened. */
async function opened(page: Page, device: Device, service = relay): Promise<Locator> {
  await operator(page, service, "devices", device.name);
  const card = page.locator("details").filter({ has: page.getByRole("heading", { name: "Web Push" }) });
  await card.getByText("Web Push").click();
  return card;
}

describeInBrowser("Web Push in the console", () => {
  test.each(["light", "dark"] as const)("a new push URL is shown with what to set, and a phone can scan it, %s", async (colorScheme) => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab({ colorScheme });
    const card = await opened(page, device);
    await shows(card.getByText(`${device.name} has no channels: no page or app has subscribed.`));
    expect(await card.getByRole("button", { name: "Revoke all channels" }).isDisabled()).toBe(true);
    await card.getByRole("button", { name: "New push URL" }).click();
    const dialog = page.getByRole("dialog", { name: `Push URL of ${device.name}` });
    const url = await dialog.getByLabel("dom.push.serverURL", { exact: true }).inputValue();
    expect(await dialog.getByLabel("dom.push.testing.allowInsecureServerURL", { exact: true }).inputValue()).toBe("true");
    const server = await dialog.getByLabel("Server", { exact: true }).inputValue();
    expect(server).toBe(url.replace(/^ws:/, "http:"));
    expect(await scanned(page, dialog.getByRole("img", { name: "QR code of the server" }))).toBe(server);
    await dialog.getByRole("button", { name: "Done" }).click();

    const agent = await UserAgent.connect(url);
    const { channelID } = await agent.subscribe();
    await card.getByText("Web Push").click();
    await card.getByText("Web Push").click();
    await shows(card.getByText(channelID));
    agent.close();
    expect(complaints).toEqual([]);
  });

  test("a push with TTL 0 is told, and is neither in the queue nor counted", async () => {
    const { device, agent, path } = await subscribed(relay);
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device.name);
    const live = panel(page, "Live");
    await shows(live.getByText("Connected", { exact: true }));
    await shows(panel(page, "Queue").getByText(`Nothing waits for ${device.name}.`));
    for (const TTL of ["0", "60"]) (await relay.request("POST", path, { headers: { TTL } })).is(201);
    // The second is kept until it is acknowledged.
    await shows(live.getByText("sent", { exact: true }), 2);
    await shows(panel(page, "Status").getByText("0 held, 1 in flight, 0 in progress"));
    await shows(panel(page, "Queue").getByRole("listitem"));
    agent.close();
    expect(complaints).toEqual([]);
  });

  test("channels are revoked one by one or all, only after a question", async () => {
    const { device, agent, channel } = await subscribed(relay);
    const others = [await agent.subscribe(), await agent.subscribe()];
    const path = `/v1/devices/${device.name}/channels`;
    const { page, complaints } = await browser.tab();
    const card = await opened(page, device);
    await shows(card.getByText("3 channels"));

    const one = card.getByRole("button", { name: `Revoke the channel ${channel.channelID}` });
    await one.click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect((await relay.admin("GET", path)).is(200).channels).toHaveLength(3);
    await one.click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await shows(card.getByText("2 channels"));
    expect((await agent.next("unregister")).channelID).toBe(channel.channelID);
    const left = (await relay.admin("GET", path)).is(200).channels.map((found: { channel: string }) => found.channel);
    expect(left.sort()).toEqual(others.map(({ channelID }) => channelID).sort());

    await card.getByRole("button", { name: "Revoke all channels" }).click();
    const dialog = page.getByRole("dialog", { name: `Revoke all channels of ${device.name}?` });
    await dialog.getByRole("button", { name: "Revoke" }).click();
    await shows(card.getByText(`${device.name} has no channels`));
    expect((await relay.admin("GET", path)).is(200).channels).toEqual([]);
    expect(await agent.closed()).toBe(1001);
    expect(complaints).toEqual([]);
  });

  test("a service without PUSH_KEY says that it has no Web Push", async () => {
    const device = await off.device();
    const { page } = await browser.tab();
    const card = await opened(page, device, off);
    await shows(card.getByRole("alert").getByText("The service has no PUSH_KEY, and so no Web Push."));
  });
});
