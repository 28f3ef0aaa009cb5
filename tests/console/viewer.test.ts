// The console with the viewer key: every page shows what the operator sees but payloads, and what would change something
// says why it does not.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, link, operator, panel, route, shows, useChromium } from "./browser.ts";

const VIEWER = "a key for dashboards alone";
const SECRET = "of the payload";

const relay = useRelay({ vars: { VIEWER_KEY: VIEWER } });
const browser = useChromium();

const viewer = (page: Page, ...parts: string[]) => operator(page, { url: relay.url, adminKey: VIEWER }, ...parts);
const title = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });

/** Chromium logs every answer that is an error. */
const others = (complaints: string[]) => complaints.filter((text) => !text.includes("403 (Forbidden)"));

/** Waits until a part of the page says why it is refused. */
const refused = (place: Locator, needs: string) => shows(place.getByRole("alert").getByText(`The viewer key is not enough: this needs ${needs}`, { exact: true }));
const ADMIN = "the admin key";
const OR_ITSELF = "the admin key, or a token of the device itself";
const OR_SENDER = "the admin key, or a token of the sender";

describeInBrowser("the viewer key", () => {
  test("opens every page from the form, and none shows a payload", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const id = await sender!.send({ tag }, SECRET);
    const { page, complaints } = await browser.tab();
    await page.goto(relay.url.origin);
    await page.getByLabel("Admin key, viewer key or device token").fill(VIEWER);
    await page.getByRole("button", { name: "Open" }).click();
    await shows(title(page, "Overview"));
    const oldest = panel(page, "Oldest held messages");
    await oldest.getByRole("button", { name: "Ask all devices" }).click();
    await shows(oldest.getByRole("link", { name: receiver!.name }));

    await page.goto(route(relay.url, "devices"));
    await page.getByRole("option", { name: receiver!.name }).waitFor();
    await page.goto(route(relay.url, "devices", receiver!.name));
    await shows(panel(page, "Status").getByText(/1 held, 0 in flight/));
    await shows(panel(page, "Queue").getByRole("listitem"));
    await shows(panel(page, "Live").getByText("Connected"));
    await page.goto(route(relay.url, "devices", sender!.name));
    await shows(panel(page, "Sent").getByRole("link", { name: `to ${tag}` }));
    await page.goto(route(relay.url, "tags"));
    await page.getByRole("option", { name: tag }).waitFor();
    await page.goto(route(relay.url, "tags", tag));
    await shows(panel(page, "Devices").getByRole("link", { name: receiver!.name }));
    expect(complaints, "nothing was asked for that is refused").toEqual([]);

    await page.goto(route(relay.url, "messages", id));
    await shows(panel(page, "Deliveries").getByRole("link", { name: receiver!.name }));
    await shows(panel(page, "Payload").getByText(`The viewer key is not enough: this needs ${OR_SENDER}.`));
    expect(await panel(page, "Payload").getByRole("button", { name: "Try again" }).isHidden()).toBe(true);
    expect(await page.content()).not.toContain(SECRET);
    expect(others(complaints)).toEqual([]);
  });

  test("follows a device as it happens, without payloads", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await viewer(page, "devices", receiver!.name);
    await shows(panel(page, "Live").getByText("Connected"));
    await sender!.send({ device: receiver!.name }, SECRET);
    await shows(panel(page, "Live").getByRole("listitem"));
    await shows(panel(page, "Queue").getByRole("listitem"));
    expect(await page.content()).not.toContain(SECRET);
    expect(complaints).toEqual([]);
  });

  test("changes nothing, and each part of a page says why", async () => {
    const [sender, device] = await relay.devices(2);
    const tag = await relay.tag(device!);
    const id = await sender!.send({ tag }, SECRET);
    const { page, complaints } = await browser.tab();
    const dialog = page.getByRole("dialog");
    await viewer(page, "devices", device!.name);
    const status = panel(page, "Status");
    const press = (name: string, place: Locator | Page = page) => place.getByRole("button", { name, exact: true }).click();

    await panel(page, "Queue").getByRole("button", { name: /^Payload/ }).click();
    await refused(panel(page, "Queue"), OR_SENDER);
    for (const [action, agreed] of [["Revoke tokens", "Revoke"], ["Delete", "Delete"], ["Act as this device", `Act as ${device!.name}`]] as const) {
      await press(action);
      await press(agreed, dialog);
      await refused(status, ADMIN);
    }
    await press("Add a phone");
    await refused(status, ADMIN);
    await press(`Unbind ${tag}`);
    await refused(status, OR_ITSELF);
    await press("New token");
    await press("Create token", dialog);
    await refused(dialog, ADMIN);
    await press("Cancel", dialog);
    await press("Send a message");
    await dialog.getByLabel("From device").fill(sender!.name);
    await dialog.getByLabel("Message, JSON or text").fill("hello");
    await press("Send", dialog);
    await refused(dialog, ADMIN);
    await press("Close", dialog);
    const webhook = page.locator("details").filter({ has: page.getByRole("heading", { name: "Webhook" }) });
    await webhook.locator("summary").click();
    await refused(webhook, OR_ITSELF);

    await page.goto(route(relay.url, "tags", tag));
    await press(`Unbind ${device!.name}`, panel(page, "Devices"));
    await refused(panel(page, "Devices"), OR_ITSELF);
    await page.goto(route(relay.url, "messages", id));
    await press("Cancel message");
    await refused(panel(page, "Deliveries"), OR_SENDER);

    const seen = (await device!.status()).is(200);
    expect(seen).toMatchObject({ tags: [tag], held: 1, last_seen_at: null });
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
    expect((await relay.admin("GET", `/v1/devices/${sender!.name}/messages`)).is(200).messages).toHaveLength(1);
    expect(others(complaints)).toEqual([]);
  });

  test("in a link opens no device to play, and says why", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, VIEWER, { devices: [device.name] }));
    await shows(page.getByRole("alert").getByText(`${device.name}: The viewer key is not enough: this needs the admin key`));
    expect((await device.status()).is(200).online).toBe(false);
    expect(others(complaints)).toEqual([]);
  });
});
