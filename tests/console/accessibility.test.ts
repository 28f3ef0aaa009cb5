// Everyone can use it: axe finds nothing in either theme, the keyboard reaches everything, a phone is
// wide enough.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { subscribed } from "../harness/agent.ts";
import { useRelay } from "../harness/index.ts";
import { violations } from "./axe.ts";
import { describeInBrowser, link, operator, panel, paneOf, route, shows, useChromium } from "./browser.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });
const browser = useChromium();

/** The key of an application server, uncompressed (RFC 8292). */
const KEY = Buffer.from([4, ...Array(64).fill(7)]).toString("base64url");

const QUESTION = { title: "Someone is here", body: "At the door", actions: [{ id: "open", label: "Let them in" }] };

describeInBrowser("accessibility", () => {
  test.each(["light", "dark"] as const)("axe finds nothing where devices are played, %s", async (colorScheme) => {
    const [sender, receiver, away] = await relay.devices(3);
    const tag = await relay.tag(receiver!, away!);
    const { page, complaints } = await browser.tab({ colorScheme, reducedMotion: "reduce" });
    await page.goto(relay.url.origin);
    await page.getByRole("button", { name: "Open" }).click();
    await shows(page.getByRole("alert").getByText("Enter the admin key"));
    await page.getByText("Where is the admin key?").click();
    expect(await violations(page), "signing in").toEqual([]);

    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name, receiver!.name], tag }));
    const [from, to] = [paneOf(page, sender!.name), paneOf(page, receiver!.name)];
    await shows(to.getByText("online", { exact: true }));
    await from.getByText("Options").click();
    await from.getByLabel("Acknowledgements needed").fill("2");
    for (const text of ["one", "two", "three"]) {
      await from.getByLabel("Message, JSON or text").fill(text);
      await from.getByRole("button", { name: "Send" }).click();
      await shows(to.locator("pre").getByText(text, { exact: true }));
    }
    await to.getByRole("button", { name: "Acknowledge", exact: true }).first().click();
    await to.getByRole("button", { name: "Reject" }).first().click();
    await sender!.send({ device: receiver!.name }, QUESTION);
    await shows(to.getByRole("button", { name: "Let them in" }));
    await shows(from.getByText("receipt received"), 2);
    await shows(from.getByText("2 acknowledgements needed"), 3);
    await from.getByLabel("Delay in seconds").fill("3600");
    await from.getByRole("button", { name: "Send" }).click();
    await shows(from.locator(".plan").getByText("scheduled"));
    await to.getByRole("button", { name: "Take offline" }).click();
    await shows(to.getByText("offline", { exact: true }));
    expect(await violations(page), "playing devices").toEqual([]);
    expect(complaints).toEqual([]);
  });

  test.each(["light", "dark"] as const)("axe finds nothing on any page of the operator, %s", async (colorScheme) => {
    const [sender, receiver, away] = await relay.devices(3);
    const tag = await relay.tag(receiver!, away!);
    const id = await sender!.send({ tag }, { pump: "stopped" });
    const { page, complaints } = await browser.tab({ colorScheme, reducedMotion: "reduce" });
    await sender!.publish({ device: away!.name }, "now or never", { ttl: 0, wait: 0 });
    await expect.poll(async () => (await relay.admin("GET", `/v1/failures?sender=${sender!.name}`)).is(200).failures.length, { timeout: 30_000 }).toBe(1);
    await operator(page, relay);
    const failed = panel(page, "Failures of the last day");
    await failed.getByLabel("Sender").fill(sender!.name);
    await failed.getByLabel("Sender").press("Enter");
    await expect.poll(() => failed.getByRole("listitem").count(), { timeout: 20_000 }).toBe(1);
    await failed.getByLabel("Select all").check();
    const oldest = panel(page, "Oldest held messages");
    await oldest.getByRole("button", { name: "Ask all devices" }).click();
    await oldest.getByRole("button", { name: "Ask again" }).waitFor();
    await shows(oldest.getByRole("link", { name: receiver!.name }));
    expect(await violations(page), "overview, with a selection").toEqual([]);
    await failed.getByRole("button", { name: "Resend 1" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await violations(page), "sending again").toEqual([]);
    await page.keyboard.press("Escape");
    const pages: [string, () => Promise<unknown>, ...string[]][] = [
      ["overview", () => page.getByLabel("Find a message by its id").waitFor()],
      ["devices", () => page.getByRole("option", { name: receiver!.name }).waitFor(), "devices"],
      ["tags", () => page.getByRole("option", { name: tag }).waitFor(), "tags"],
      ["tag", () => page.getByRole("button", { name: `Unbind ${away!.name}` }).waitFor(), "tags", tag],
      ["messages", () => page.getByLabel("List what a device sent").waitFor(), "messages"],
      ["message", () => shows(page.locator(".delivery"), 2), "messages", id],
      ["nothing", () => page.getByText("There is no such page").waitFor(), "nothing"],
      ["device", () => panel(page, "Queue").getByRole("link", { name: `from ${sender!.name}` }).waitFor(), "devices", receiver!.name],
    ];
    for (const [name, isThere, ...parts] of pages) {
      await page.goto(route(relay.url, ...parts));
      await isThere();
      expect(await violations(page), name).toEqual([]);
    }
    await panel(page, "Queue").getByRole("button", { name: /^Payload/ }).click();
    await page.getByRole("button", { name: "Download" }).waitFor();
    await shows(panel(page, "Live").getByText("Connected", { exact: true }));
    const socket = await receiver!.connect();
    socket.ack((await socket.next("message")).id, { opened: true });
    await shows(panel(page, "Live").getByText("delivered", { exact: true }));
    expect(await violations(page), "a payload, and live steps").toEqual([]);
    expect(complaints).toEqual([]);
  });

  test.each(["light", "dark"] as const)("axe finds nothing in any dialog, %s", async (colorScheme) => {
    const { device } = await subscribed(relay, KEY);
    const { page, complaints } = await browser.tab({ colorScheme, reducedMotion: "reduce" });
    await operator(page, relay, "devices", device.name);
    const dialogs: [string, () => Promise<unknown>][] = [
      ["Add a phone", () => page.getByRole("img", { name: "QR code of the link" }).waitFor()],
      ["Send a message", () => page.getByLabel("From device", { exact: true }).waitFor()],
      ["New token", () => page.getByLabel("May publish to").waitFor()],
      ["Act as this device", () => page.getByRole("dialog").waitFor()],
      ["Delete", () => page.getByRole("dialog").waitFor()],
    ];
    for (const [name, isThere] of dialogs) {
      await page.getByRole("button", { name, exact: true }).click();
      await isThere();
      expect(await violations(page), name).toEqual([]);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByRole("button", { name: "Create token" }).click();
    await page.getByRole("img", { name: "QR code of the token" }).waitFor();
    expect(await violations(page), "a token").toEqual([]);
    await page.keyboard.press("Escape");

    const card = page.locator("details").filter({ has: page.getByRole("heading", { name: "Web Push" }) });
    await card.getByText("Web Push").click();
    await shows(card.getByText("bound to one sender’s key"));
    expect(await violations(page), "channels").toEqual([]);
    await card.getByRole("button", { name: "New push URL" }).click();
    await shows(page.getByRole("img", { name: "QR code of the server" }));
    expect(await violations(page), "a push URL").toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("the keyboard alone opens a device, answers a message and signs out", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(relay.url.origin);
    // The only field has the focus.
    await page.keyboard.type(relay.adminKey);
    await page.keyboard.press("Enter");
    const devices = page.getByRole("navigation").getByRole("link", { name: "Devices" });
    await devices.waitFor();
    await reach(page, devices);
    await page.keyboard.press("Enter");
    const list = page.getByRole("listbox", { name: "Devices" });
    await list.getByText(receiver!.name).waitFor();
    await reach(page, list);
    const active = list.locator(".active");
    while (!(await active.innerText()).includes(receiver!.name)) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const act = page.getByRole("button", { name: "Act as this device" });
    await act.waitFor();
    await reach(page, act);
    await page.keyboard.press("Enter");
    await reach(page, page.getByRole("dialog").getByRole("button", { name: `Act as ${receiver!.name}` }));
    await page.keyboard.press("Enter");
    const pane = paneOf(page, receiver!.name);
    await shows(pane.getByText("online", { exact: true }));
    const id = await sender!.send({ device: receiver!.name }, "x");
    await pane.getByText("x", { exact: true }).waitFor();
    await reach(page, pane.getByLabel("Reply, or reason to reject"));
    await page.keyboard.type("yes");
    await page.keyboard.press("Enter");
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "yes" }]);

    const asked = await sender!.send({ device: receiver!.name }, QUESTION);
    const answer = pane.getByRole("button", { name: "Let them in" });
    await answer.waitFor();
    await reach(page, answer);
    await page.keyboard.press("Enter");
    expect((await sender!.settled(asked)).deliveries).toMatchObject([{ state: "delivered", reply: { action: "open" } }]);
    await pane.locator(".answered:focus").getByText("Let them in").waitFor();
    await reach(page, page.getByRole("button", { name: "Sign out" }));
    await page.keyboard.press("Enter");
    await page.getByLabel("Admin key, viewer key or device token").waitFor();
    expect(complaints).toEqual([]);
  });

  test("background changes are announced in the live region", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [receiver!.name] }));
    const status = page.locator("#announcer");
    await status.getByText(`${receiver!.name} is online`).waitFor({ state: "attached" });
    await sender!.send({ device: receiver!.name }, "someone is here");
    await status.getByText(`Message from ${sender!.name}: someone is here`).waitFor({ state: "attached" });
    await sender!.send({ device: receiver!.name }, QUESTION);
    await status.getByText(`Question from ${sender!.name}: Someone is here. At the door`).waitFor({ state: "attached" });
  });

  test("a phone shows every page without scrolling sideways, with letters that it does not zoom into", async () => {
    const sender = await relay.device(`a-device-with-a-name-that-is-as-long-as-${"a".repeat(24)}`);
    const receivers = await relay.devices(8);
    const tag = `a-tag-with-a-name-that-is-as-long-as-it-may-be-${"a".repeat(80)}`;
    for (const device of receivers) await relay.bind(tag, device);
    const receiver = receivers[0]!;
    const id = await sender.send({ tag }, "x");
    const wide = { title: "W".repeat(128), body: "W".repeat(1024), actions: [{ id: "a", label: "W".repeat(32) }] };
    for (let n = 0; n < 24; n++) await sender.send({ device: receiver.name }, wide);
    await sender.publish({ tag }, "now or never", { ttl: 0, wait: 0 });
    const failed = async () => (await relay.admin("GET", `/v1/failures?sender=${sender.name}`)).is(200).failures.length;
    await expect.poll(failed, { timeout: 30_000 }).toBe(8);
    const { page } = await browser.tab({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await operator(page, relay);
    const pages: [() => Promise<unknown>, ...string[]][] = [
      [() => shows(panel(page, "Failures of the last day").getByRole("listitem"), 8)],
      [() => page.getByRole("option", { name: sender.name }).waitFor(), "devices"],
      [() => page.getByRole("option", { name: tag }).waitFor(), "tags"],
      [() => page.getByRole("button", { name: `Unbind ${receiver.name}` }).waitFor(), "tags", tag],
      [() => page.getByText("8 held", { exact: true }).waitFor(), "messages", id],
      [() => panel(page, "Queue").getByRole("link").nth(2).waitFor(), "devices", receiver.name],
    ];
    for (const [isThere, ...parts] of pages) {
      await page.goto(route(relay.url, ...parts));
      await isThere();
      expect(await page.evaluate("document.documentElement.scrollWidth"), parts.join("/")).toBeLessThanOrEqual(360);
      expect(await page.evaluate("document.documentElement.scrollHeight / innerHeight"), `screens of ${parts.join("/")}`).toBeLessThanOrEqual(3);
      expect(await letters(page), parts.join("/")).toBeGreaterThanOrEqual(16);
    }
    await page.getByRole("button", { name: "Send a message" }).tap();
    await page.getByRole("dialog").getByText("Options").tap();
    await page.getByLabel("Escalate to").waitFor();
    expect(await letters(page)).toBeGreaterThanOrEqual(16);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);

    await page.goto(link(relay.url, relay.adminKey, { devices: [receiver.name] }));
    await shows(paneOf(page, receiver.name).getByRole("button", { name: "W".repeat(32) }), 24);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  });

  test("a phone shows the steps of a held message side by side", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const socket = await receiver!.connect();
    socket.ack((await socket.next("message")).id);
    await sender!.settled(id);
    const { page } = await browser.tab({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name] }));
    const steps = paneOf(page, sender!.name).locator(".steps li");
    await shows(steps, 4);
    const tops: number[] = await page.evaluate("Array.from(document.querySelectorAll('.steps li'), (step) => step.offsetTop)");
    expect(tops).toEqual(Array(4).fill(tops[0]));
  });
});

/** The height of the smallest letters in a field that is shown, in pixels. */
const letters = (page: Page): Promise<number> =>
  page.evaluate(`Math.min(16, ...Array.from(document.querySelectorAll("input:not([type=checkbox]), select, textarea"))
    .filter((field) => field.checkVisibility()).map((field) => parseFloat(getComputedStyle(field).fontSize)))`);

/** Presses Tab until the element has the focus. */
async function reach(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 80; presses++) {
    if ((await target.and(page.locator(":focus")).count()) > 0) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`expected to reach ${target} with the Tab key`);
}
