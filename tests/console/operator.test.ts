// The operator's side: devices and tags are added, shown, bound, revoked and deleted by hand.

import { expect, test } from "vitest";

import { fresh, useRelay } from "../harness/index.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

describeInBrowser("the operator", () => {
  test("adds a device, is shown its token once, and becomes the device", async () => {
    const name = fresh("added");
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey));
    await page.getByLabel("New device").fill(name);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: `Token of ${name}` });
    const token = await dialog.getByLabel("Token").inputValue();
    (await relay.bearer(name, token).status()).is(200);
    await dialog.getByRole("button", { name: "Done" }).click();
    await page.getByRole("option", { name }).waitFor();
    const detail = page.getByRole("region", { name: `Device ${name}` });
    await shows(detail.getByText("never"));
    await detail.getByRole("button", { name: "Connect as this device" }).click();
    await shows(paneOf(page, name).getByText("online", { exact: true }));
    await page.getByRole("option", { name: new RegExp(`${name}.*online`) }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("sees why a name is refused", async () => {
    const { page } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey));
    await page.getByLabel("New device").fill("no good");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("alert").filter({ hasText: /device/ }).waitFor();
    expect(await page.getByLabel("New device").inputValue(), "it stays to be corrected").toBe("no good");
  });

  test("binds a device to a tag and unbinds it, from the device and from the tag", async () => {
    const [one, two] = await relay.devices(2);
    const tag = fresh("tag");
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey));
    await page.getByRole("option", { name: one!.name }).click();
    const device = page.getByRole("region", { name: `Device ${one!.name}` });
    await device.getByLabel(`Bind ${one!.name} to a tag`).fill(tag);
    await device.getByRole("button", { name: "Bind", exact: true }).click();
    await device.getByRole("button", { name: `Unbind ${tag}` }).waitFor();
    expect((await one!.status()).is(200).tags).toEqual([tag]);

    await page.getByRole("tab", { name: "Tags" }).click();
    await page.getByRole("option", { name: new RegExp(`${tag}.*1 device`) }).click();
    const detail = page.getByRole("region", { name: `Tag ${tag}` });
    await detail.getByLabel(`Bind a device to ${tag}`).fill(two!.name);
    await detail.getByRole("button", { name: "Bind", exact: true }).click();
    await page.getByRole("option", { name: new RegExp(`${tag}.*2 devices`) }).waitFor();
    await detail.getByRole("button", { name: `Unbind ${one!.name}` }).click();
    await page.getByRole("option", { name: new RegExp(`${tag}.*1 device`) }).waitFor();
    const { devices } = (await relay.admin("GET", `/v1/tags/${tag}`)).is(200);
    expect(devices).toEqual([{ device: two!.name }]);
    expect(complaints).toEqual([]);
  });

  test("revokes tokens and deletes a device only after a question", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey));
    await page.getByRole("option", { name: device.name }).click();
    const detail = page.getByRole("region", { name: `Device ${device.name}` });

    await detail.getByRole("button", { name: "Revoke tokens" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    (await device.status()).is(200);
    await detail.getByRole("button", { name: "Revoke tokens" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(async () => (await device.status()).status, { timeout: 10_000 }).toBe(401);

    await detail.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await detail.waitFor({ state: "detached" });
    expect(await page.getByRole("option", { name: device.name }).count()).toBe(0);
    (await relay.admin("GET", `/v1/devices/${device.name}`)).problem(404, "unknown_device");
    expect(complaints).toEqual([]);
  });

  test("takes over from a device that is online only after a question", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    const { page } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey));
    await page.getByRole("option", { name: device.name }).click();
    const card = page.getByRole("region", { name: `Device ${device.name}` });
    await card.getByText("online since").waitFor();
    const dialog = page.getByRole("dialog", { name: `Take over from ${device.name}?` });
    await card.getByRole("button", { name: "Connect as this device" }).click();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await socket.ping();
    expect(await paneOf(page, device.name).count()).toBe(0);
    await card.getByRole("button", { name: "Connect as this device" }).click();
    await dialog.getByRole("button", { name: "Take over" }).click();
    expect((await socket.closed()).code).toBe(4409);
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
  });
});
