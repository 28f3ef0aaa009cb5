// Every page has an address: it can be linked to, Back leads back, and what is shown is what was asked for, once.

import { expect, test } from "vitest";

import { fresh, useRelay } from "../harness/index.ts";
import { describeInBrowser, link, operator, panel, paneOf, route, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

describeInBrowser("addresses", () => {
  test("each page is opened by its address", { timeout: 120_000 }, async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const id = await sender!.send({ tag }, "hello");
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    const pages: [string, ...string[]][] = [
      ["Overview"], ["Devices", "devices"], [receiver!.name, "devices", receiver!.name], ["Tags", "tags"],
      [tag, "tags", tag], ["Messages", "messages"], ["Message", "messages", id], ["Play devices", "play"],
    ];
    for (const [title, ...parts] of pages) {
      await page.goto(route(relay.url, ...parts));
      await shows(page.getByRole("heading", { level: 1, name: title, exact: true }));
      expect(await page.title()).toMatch(/ · tagpost$/);
      await page.reload();
      await shows(page.getByRole("heading", { level: 1, name: title, exact: true }));
    }
    expect(complaints).toEqual([]);
  });

  test("a message is found by its id, and among those that its device sent", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "hello");
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    await page.goto(route(relay.url, "messages"));
    await page.getByLabel("Find a message by its id").fill(id);
    await page.keyboard.press("Enter");
    await shows(page.getByRole("heading", { level: 1, name: "Message", exact: true }));
    expect(page.url()).toBe(route(relay.url, "messages", id));
    await page.goBack();
    await page.getByLabel("List what a device sent").fill(sender!.name);
    await page.keyboard.press("Enter");
    await shows(page.getByRole("link", { name: `to @${receiver!.name}` }));
    await page.reload();
    await page.getByRole("link", { name: `to @${receiver!.name}` }).click();
    await shows(page.getByRole("heading", { level: 1, name: "Message", exact: true }));
    expect(complaints).toEqual([]);
  });

  test("Back leads from a device to the list, with what was looked for", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    await page.getByRole("navigation").getByRole("link", { name: "Devices" }).click();
    await page.getByLabel("Find devices").fill(device.name.slice(3));
    await page.getByRole("option", { name: device.name }).click();
    await shows(page.getByRole("heading", { level: 1, name: device.name }));
    expect(page.url()).toBe(route(relay.url, "devices", device.name));
    await page.goBack();
    await shows(page.getByRole("option", { name: device.name }));
    expect(await page.getByLabel("Find devices").inputValue()).toBe(device.name.slice(3));
    await page.goBack();
    await shows(page.getByRole("heading", { level: 1, name: "Overview" }));
    await page.goForward();
    await shows(page.getByRole("heading", { level: 1, name: "Devices" }));
    expect(complaints).toEqual([]);
  });

  test("a link without a credential asks for one, and then shows its page", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(route(relay.url, "devices", device.name));
    await page.getByLabel("Admin key, viewer key or device token").fill(relay.adminKey);
    await page.keyboard.press("Enter");
    await shows(page.getByRole("heading", { level: 1, name: device.name }));
    expect(page.url()).toBe(route(relay.url, "devices", device.name));
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin key, viewer key or device token").waitFor();
    expect(await page.getByText(device.name).count()).toBe(0);
    expect(page.url(), "the address stays").toBe(route(relay.url, "devices", device.name));
    expect(complaints).toEqual([]);
  });

  test("an address that is none says so, and one of something that does not exist creates nothing", async () => {
    const nobody = fresh("nobody");
    const { page } = await browser.tab();
    await operator(page, relay, "somewhere", "else");
    await shows(page.getByRole("heading", { level: 1, name: "There is no such page" }));
    await page.goto(route(relay.url, "devices", nobody));
    await shows(page.getByRole("heading", { level: 1, name: `There is no device ${nobody}` }));
    await page.goto(route(relay.url, "tags", nobody));
    await shows(page.getByText(`No device has the tag ${nobody}. A tag exists as long as a device has it.`));
    await page.goto(route(relay.url, "messages", "01M84WQ58TFYHWCCN22Z0FBG54"));
    await shows(page.getByRole("heading", { level: 1, name: "There is no such message" }));
    (await relay.admin("GET", `/v1/devices/${nobody}`)).problem(404, "unknown_device");
  });

  test("a link that names a device that does not exist says so, and creates nothing", async () => {
    const [device, nobody] = [await relay.device(), fresh("nobody")];
    const { page, requests } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [nobody, device.name] }));
    await shows(page.getByRole("alert").getByText(`There is no device ${nobody}. Nothing was created.`));
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    expect(page.url()).toBe(route(relay.url, "play"));
    expect(await paneOf(page, nobody).count()).toBe(0);
    (await relay.admin("GET", `/v1/devices/${nobody}`)).problem(404, "unknown_device");
    expect(requests.filter((url) => url.includes(relay.adminKey))).toEqual([]);
  });

  test("a device's token opens no page of the operator", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await page.goto(`${relay.url.origin}/#token=${device.token}`);
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    await page.goto(route(relay.url, "devices", device.name));
    await shows(page.getByRole("heading", { level: 1, name: "This page needs the admin key" }));
    const id = await device.send({ device: device.name }, "to myself");
    await page.goto(route(relay.url, "messages", id));
    await shows(panel(page, "Deliveries").getByText(device.name));
    expect(complaints).toEqual([]);
  });
});

describeInBrowser("what is asked for", () => {
  test("the list of devices asks for those in sight, each once, and again only on request", async () => {
    const names = Array.from({ length: 60 }, (_, n) => `seen-${String(n).padStart(2, "0")}`);
    await Promise.all(names.map((name) => relay.device(name)));
    const { page, complaints, requests } = await browser.tab({ viewport: { width: 1280, height: 700 } });
    await page.clock.install();
    await operator(page, relay, "devices");
    await page.getByLabel("Find devices").fill("seen-");
    await shows(page.getByText(/^60 of/));
    const last = page.getByRole("option").last();
    await last.getByText("never seen").waitFor();
    const asked = () => requests.filter((url) => /\/v1\/devices\/[^/?]+$/.test(url));
    const settled = asked().length;
    expect(new Set(asked()).size).toBe(settled);
    expect(settled).toBeLessThan(60);
    await page.clock.runFor("30:00");
    expect(asked().length, "nothing is asked for again").toBe(settled);

    await relay.device("seen-00").then((device) => device.connect());
    await page.getByRole("button", { name: "Refresh" }).click();
    await shows(page.getByRole("option", { name: /seen-00.*online/ }));
    expect(complaints).toEqual([]);
  });

  test("the overview wakes no mailbox", async () => {
    const device = await relay.device();
    const { page, requests, complaints } = await browser.tab();
    await page.clock.install();
    await operator(page, relay);
    await page.clock.runFor("30:00");
    await page.getByRole("navigation").getByRole("link", { name: "Devices" }).waitFor();
    const paths = requests.map((url) => new URL(url).pathname).filter((path) => path.startsWith("/v1/"));
    expect(paths.filter((path) => !["/v1/devices", "/v1/overview", "/v1/failures"].includes(path))).toEqual([]);
    expect(requests.filter((url) => url.includes(device.name))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a device that is looked at is not asked for again, and stays as it was", async () => {
    const [sender, device] = await relay.devices(2);
    await sender!.send({ device: device!.name }, "waiting");
    const { page, requests, complaints } = await browser.tab();
    await page.clock.install();
    await operator(page, relay, "devices", device!.name);
    await shows(panel(page, "Queue").getByText(`from ${sender!.name}`));
    await shows(panel(page, "Live").getByText("Connected", { exact: true }));
    await expect.poll(() => page.locator("[aria-busy=true]").count()).toBe(0);
    const before = requests.length;
    await page.clock.runFor("30:00");
    expect(requests.length).toBe(before);
    expect(requests.filter((url) => url.startsWith("ws:"))).toEqual([`ws://${relay.url.host}/v1/devices/${device!.name}/watch`]);
    const status = (await relay.admin("GET", `/v1/devices/${device!.name}`)).is(200);
    expect(status).toMatchObject({ online: false, held: 1, last_seen_at: null });
    expect(complaints).toEqual([]);
  });
});
