// The console of a relay that a proxy serves below a path: it asks for everything there, and keeps its
// credentials from whatever else is served by the same host.

import { expect, test } from "vitest";

import { useBelow } from "../harness/below.ts";
import { useRelay } from "../harness/index.ts";
import { describeInBrowser, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const below = useBelow(() => relay.url);
const browser = useChromium();

describeInBrowser("a relay below a path", () => {
  test("an operator sees, sends and receives there, and nothing is asked for beside it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints, requests } = await browser.tab();
    const fragment = new URLSearchParams([["admin_key", relay.adminKey], ["device", sender!.name], ["device", receiver!.name]]);
    await page.goto(`${below.url}/#${fragment}`);
    const [from, to] = [paneOf(page, sender!.name), paneOf(page, receiver!.name)];
    await shows(from.getByText("online", { exact: true }));
    await shows(to.getByText("online", { exact: true }));
    await from.getByLabel("Kind of address").selectOption("device");
    await from.getByLabel("Send to").fill(receiver!.name);
    await from.getByLabel("Message, JSON or text").fill('{"serial": 1724442618569203714}');
    await from.getByRole("button", { name: "Send" }).click();
    await shows(to.getByText('{"serial": 1724442618569203714}'));
    await to.getByRole("button", { name: "Acknowledge", exact: true }).click();
    await shows(from.getByText("receipt received"));
    await page.getByRole("navigation").getByRole("link", { name: "Devices" }).click();
    await page.getByRole("option", { name: new RegExp(receiver!.name) }).waitFor();

    expect(requests.filter((url) => !new URL(url).pathname.startsWith("/push/"))).toEqual([]);
    expect(below.astray).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("credentials stored for one path are not used by another", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    await page.goto(`${below.url}/#token=${device.token}`);
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    // Another console of the same host: its files, below another path.
    await page.route(`${below.origin}/other/**`, async (route) => {
      const path = new URL(route.request().url()).pathname.slice("/other".length);
      const { text, headers } = await relay.request("GET", path);
      await route.fulfill({ body: text, contentType: headers.get("content-type") ?? "" });
    });
    await page.goto(`${below.origin}/other/`);
    await page.getByLabel("Admin key, viewer key or device token").waitFor();
    expect(await page.getByText(device.name).count()).toBe(0);
  });
});
