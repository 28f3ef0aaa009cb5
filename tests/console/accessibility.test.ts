// Everyone can use it: axe finds nothing in either theme, the keyboard reaches everything, a phone is
// wide enough.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { subscribed } from "../harness/agent.ts";
import { useRelay } from "../harness/index.ts";
import { violations } from "./axe.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });
const browser = useChromium();

/** The key of an application server, uncompressed (RFC 8292). */
const KEY = Buffer.from([4, ...Array(64).fill(7)]).toString("base64url");

const QUESTION = { title: "Someone is here", body: "At the door", actions: [{ id: "open", label: "Let them in" }] };

describeInBrowser("accessibility", () => {
  test.each(["light", "dark"] as const)("axe finds nothing in any view, %s", async (colorScheme) => {
    const [sender, receiver, away] = await relay.devices(3);
    const tag = await relay.tag(receiver!, away!);
    const { device } = await subscribed(relay, KEY);
    const { page, complaints } = await browser.tab({ colorScheme, reducedMotion: "reduce" });
    await page.goto(relay.url.origin);
    await page.getByRole("button", { name: "Open" }).click();
    await shows(page.getByRole("alert").getByText("Enter the admin key"));
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
    await page.getByRole("option", { name: receiver!.name }).click();
    await page.getByRole("region", { name: `Device ${receiver!.name}` }).getByText(tag, { exact: true }).waitFor();
    await to.getByRole("button", { name: "Take offline" }).click();
    await shows(to.getByText("offline", { exact: true }));
    expect(await violations(page), "devices and panes").toEqual([]);

    await page.getByRole("option", { name: device.name }).click();
    const card = page.getByRole("region", { name: `Device ${device.name}` });
    await card.getByText("Web Push").click();
    await shows(card.getByText("bound to one sender’s key"));
    expect(await violations(page), "channels").toEqual([]);
    await card.getByRole("button", { name: "New push URL" }).click();
    await shows(page.getByRole("img", { name: "QR code of the server" }));
    expect(await violations(page), "a push URL").toEqual([]);
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Add a phone" }).click();
    await shows(page.getByRole("img", { name: "QR code of the link" }));
    expect(await violations(page), "a link for a phone").toEqual([]);
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Delete" }).click();
    expect(await violations(page), "a question").toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Tags" }).click();
    await page.getByRole("option", { name: tag }).click();
    await page.getByRole("button", { name: `Unbind ${away!.name}` }).waitFor();
    expect(await violations(page), "tags").toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("the keyboard alone opens a device, answers a message and signs out", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(relay.url.origin);
    // The only field has the focus.
    await page.keyboard.type(relay.adminKey);
    await page.keyboard.press("Enter");
    const list = page.getByRole("listbox", { name: "Devices" });
    await list.getByText(receiver!.name).waitFor();
    await reach(page, list);
    const active = list.locator(".active");
    while (!(await active.innerText()).includes(receiver!.name)) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await reach(page, page.getByRole("button", { name: "Connect as this device" }));
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
    await page.getByLabel("Admin key or device token").waitFor();
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

  test("a phone shows it without scrolling sideways", async () => {
    const device = await relay.device(`a-device-with-a-name-that-is-as-long-as-${"a".repeat(24)}`);
    const { page } = await browser.tab({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    await page.getByRole("option", { name: device.name }).tap();
    await page.getByRole("button", { name: "Connect as this device" }).waitFor();
    const wide = { title: "W".repeat(128), body: "W".repeat(1024), actions: [{ id: "a", label: "W".repeat(32) }] };
    await (await relay.device()).send({ device: device.name }, wide);
    await shows(paneOf(page, device.name).getByRole("button", { name: "W".repeat(32) }));
    await paneOf(page, device.name).getByText("Options").tap();
    await paneOf(page, device.name).getByLabel("Escalate to").waitFor();
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

/** Presses Tab until the element has the focus. */
async function reach(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 80; presses++) {
    if ((await target.and(page.locator(":focus")).count()) > 0) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`expected to reach ${target} with the Tab key`);
}
