// Becoming a device: by a link, once. And what keeps a phone from being woken, each with what to do.

import { expect, test } from "vitest";

import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay } from "../harness/index.ts";
import { App, pairingCode } from "./app.ts";

const relay = useRelay();
const browser = useChromium();

const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

describeInBrowser("pairing", () => {
  test("a link makes the phone a device, and leaves the address bar at once", async () => {
    const phone = await relay.device();
    const code = await pairingCode(relay, phone);
    const app = await App.open(browser, relay.url.origin, { fragment: `#${code}` });
    expect(app.page.url()).toBe(`${relay.url.origin}/phone/`);
    await app.online(phone);
    expect((await phone.status()).is(200).online).toBe(true);
    expect(app.tab.requests.filter((url) => url.includes(code))).toEqual([]);
    // It stays one.
    await app.page.reload();
    await app.online(phone);
  });

  test("a link that was used says so, and what to do", async () => {
    const phone = await relay.device();
    const code = await pairingCode(relay, phone);
    (await relay.request("POST", "/v1/pair", { body: { code } })).is(200);
    const app = await App.open(browser, relay.url.origin, { fragment: `#${code}` });
    await app.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
    await app.page.getByText("Make a new one").waitFor();
    await app.page.getByRole("button", { name: "Close" }).tap();
    await app.page.getByRole("heading", { name: "Pair this phone" }).waitFor();
  });

  test("a link is not used up while the service cannot be reached", async () => {
    const phone = await relay.device();
    const app = await App.open(browser, relay.url.origin);
    await app.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    await app.page.context().setOffline(true);
    await app.page.getByLabel("Or paste the pairing link").fill(`${relay.url.origin}/phone#${await pairingCode(relay, phone)}`);
    await app.page.getByRole("button", { name: "Pair" }).tap();
    await app.page.getByRole("heading", { name: "does not answer" }).waitFor();
    await app.page.context().setOffline(false);
    await app.page.getByRole("button", { name: "Try again" }).tap();
    await app.online(phone);
  });

  test("its token is kept before anything that may not end", async () => {
    const phone = await relay.device();
    const app = await App.open(browser, relay.url.origin);
    await app.page.addInitScript("PushManager.prototype.getSubscription = () => new Promise(() => { globalThis.isWaiting = true; })");
    await app.page.goto(`${relay.url.origin}/phone/?#${await pairingCode(relay, phone)}`);
    await app.page.waitForFunction(() => (globalThis as { isWaiting?: boolean }).isWaiting);
    await app.page.reload();
    await app.online(phone);
  });

  test("it ends in the browser what woke it before, also after its token was refused", async () => {
    const [first, second] = await relay.devices(2);
    const app = await App.open(browser, relay.url.origin);
    const subscription = "{ unsubscribe: async () => void sessionStorage.setItem('ended', 1 + Number(sessionStorage.getItem('ended'))) }";
    await app.page.addInitScript(`PushManager.prototype.getSubscription = async () => (${subscription})`);
    await app.page.goto(`${relay.url.origin}/phone/?#${await pairingCode(relay, first!)}`);
    await app.online(first!);
    const ended = () => app.page.evaluate("Number(sessionStorage.getItem('ended'))") as Promise<number>;
    expect(await ended()).toBe(1);
    (await relay.admin("DELETE", `/v1/devices/${first!.name}/tokens`)).is(204);
    await app.page.getByRole("heading", { name: "This phone is no longer paired" }).waitFor();
    await until("the subscription to end", ended, (count) => count === 2);
    await app.page.evaluate(`location.hash = ${JSON.stringify(await pairingCode(relay, second!))}`);
    await app.online(second!);
    expect(await ended()).toBe(3);
  });

  test.each(["#abc", "#half of a code"])("a link that ends in %s is incomplete", async (fragment) => {
    const app = await App.open(browser, relay.url.origin, { fragment });
    await app.page.getByRole("heading", { name: "This link is incomplete" }).waitFor();
    await app.page.getByRole("button", { name: "Close" }).tap();
    await app.page.getByRole("heading", { name: "Pair this phone" }).waitFor();
  });

  test("what is pasted and is no link is refused by name", async () => {
    const app = await App.open(browser, relay.url.origin);
    for (const [text, error] of [["", "Paste the link first."], ["https://example.org/", "This is not a pairing link. It ends in # and a code."]]) {
      await app.page.getByLabel("Or paste the pairing link").fill(text!);
      await app.page.getByRole("button", { name: "Pair" }).tap();
      await app.page.getByRole("alert").getByText(error!).waitFor();
    }
  });

  test("a phone that is a device already asks before it becomes another, and then has nothing of the first", async () => {
    const [first, second, doorbell] = await relay.devices(3);
    const app = await App.paired(browser, relay, first!);
    await doorbell!.send({ device: first!.name }, { title: "For the first" });
    await app.page.getByRole("heading", { name: "For the first" }).waitFor();
    const fragment = `#${await pairingCode(relay, second!)}`;
    await app.page.evaluate(`location.hash = ${JSON.stringify(fragment)}`);
    await app.page.getByRole("button", { name: `Stay ${first!.name}` }).tap();
    await app.online(first!);
    await app.page.evaluate(`location.hash = ${JSON.stringify(fragment)}`);
    await app.page.getByRole("button", { name: "Pair again" }).tap();
    await app.online(second!);
    await app.page.getByRole("heading", { name: "Nothing yet" }).waitFor();
    await app.page.locator("#announcer").getByText(`This phone is ${second!.name}`).waitFor({ state: "attached" });
    expect(await app.page.getByText("For the first").count()).toBe(0);
  });

  test("on an iPhone it asks for the home screen first, and the link stays unused", async () => {
    const phone = await relay.device();
    const code = await pairingCode(relay, phone);
    const app = await App.open(browser, relay.url.origin, { fragment: `#${code}`, userAgent: IPHONE });
    await app.page.getByRole("heading", { name: "First add tagpost to the home screen" }).waitFor();
    expect(await app.page.getByLabel("Pairing link").inputValue()).toBe(`${relay.url.origin}/phone#${code}`);
    (await relay.request("POST", "/v1/pair", { body: { code } })).is(200);
  });
});

describeInBrowser("what keeps a phone from being woken", () => {
  test.each([
    ["default", "Get messages while this is closed"],
    ["denied", "Notifications are blocked"],
    ["granted", "You only get messages while this is open"],
  ])("with the permission %s it says: %s", async (permission, title) => {
    const phone = await relay.device();
    const app = await App.open(browser, relay.url.origin);
    await app.page.addInitScript(`Object.defineProperty(Notification, "permission", { get: () => "${permission}" })`);
    await app.page.goto(`${relay.url.origin}/phone#${await pairingCode(relay, phone)}`);
    await app.online(phone);
    await app.page.getByRole("region", { name: title }).waitFor();
  });

  test("a browser without push says so, and messages come while the page is open", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.open(browser, relay.url.origin);
    await app.page.addInitScript("delete globalThis.PushManager");
    await app.page.reload();
    await app.page.evaluate(`location.hash = ${JSON.stringify(await pairingCode(relay, phone!))}`);
    await app.online(phone!);
    await app.page.getByRole("region", { name: "This browser cannot be woken" }).waitFor();
    await doorbell!.send({ device: phone!.name }, { title: "Dinner is ready" });
    await app.page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
  });
});
