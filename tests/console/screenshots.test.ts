// The pictures of the console in the documentation, of a small fleet. With SCREENSHOTS=<directory> they are taken; a
// test of what they show is elsewhere.

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, panel, route, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const directory = process.env.SCREENSHOTS;
const PLACES = ["kitchen", "hallway", "garage", "porch", "garden", "cellar", "attic", "workshop"];
const KINDS = ["cam", "door", "lamp", "meter"];

const LOOKS = [
  { name: "light", options: { colorScheme: "light" } },
  { name: "dark", options: { colorScheme: "dark" } },
  { name: "phone", options: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } },
  { name: "phone-dark", options: { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } },
] as const;

(directory ? describeInBrowser : describe.skip)("pictures", () => {
  test("of each page", { timeout: 300_000 }, async () => {
    const names = PLACES.flatMap((place) => KINDS.map((kind) => `${place}-${kind}`));
    const fleet = new Map<string, Device>();
    for (const name of [...names, "doorbell", "anna-phone", "ben-phone", "night-watch"]) fleet.set(name, await relay.device(name));
    const [doorbell, away, watch] = [fleet.get("doorbell")!, fleet.get("kitchen-cam")!, fleet.get("night-watch")!];
    for (const name of names) for (const tag of [name.split("-")[0]!, `${name.split("-")[1]!}s`]) await relay.bind(tag, fleet.get(name)!);
    for (const name of ["kitchen-cam", "anna-phone", "ben-phone"]) await relay.bind("on-call", fleet.get(name)!);
    const online = names.filter((name, n) => n % 3 !== 0 && name !== "kitchen-cam");
    for (const name of online) {
      const socket = await fleet.get(name)!.connect();
      socket.answer(() => ({ ok: true }));
    }
    // Seen once, and gone since.
    (await away.connect()).terminate();
    await away.offline();
    const ring = { title: "Someone is at the door", body: "Front door", actions: [{ id: "open", label: "Open" }] };
    await doorbell.send({ tag: "kitchen" }, { motion: true, area: "window" });
    await watch.send({ device: "kitchen-cam" }, { arm: true, zones: ["front", "back"], serial: 42 }, { urgency: "high", topic: "arm" });
    const message = await doorbell.send({ tag: "cams" }, ring);
    await watch.send({ device: "kitchen-cam" }, "record until 07:00", { urgency: "low", ttl: 600 });
    for (const [n, name] of names.entries()) {
      if (n % 3 === 0) await watch.publish({ device: name }, { check: n }, { ttl: 0, wait: 0 });
    }
    const rude = fleet.get("anna-phone")!;
    const asked = await doorbell.send({ device: "anna-phone" }, ring);
    await rude.inbox();
    await rude.nack(asked, { reason: "dismissed" });
    const listed = async () => (await relay.admin("GET", "/v1/failures?limit=1000")).is(200).failures.length;
    await expect.poll(listed, { timeout: 30_000 }).toBeGreaterThan(10);

    for (const { name, options } of LOOKS) {
      const { page } = await browser.tab({ ...options, reducedMotion: "reduce" });
      await operator(page, relay);
      const take = async (what: string) => {
        await expect.poll(() => page.locator("[aria-busy=true]").count()).toBe(0);
        await page.screenshot({ path: `${directory}/${what}-${name}.png`, fullPage: what !== "devices" });
      };
      await page.getByLabel("Find a message by its id").waitFor();
      await take("overview");
      await page.goto(route(relay.url, "devices"));
      await page.getByRole("option", { name: /attic-cam/ }).waitFor();
      await take("devices");
      await page.goto(route(relay.url, "devices", "kitchen-cam"));
      await panel(page, "Queue").getByRole("link").first().waitFor();
      await take("device");
      await page.getByRole("button", { name: "Send a message" }).click();
      await page.getByRole("dialog").getByText("Options").click();
      await take("send");
      await page.keyboard.press("Escape");
      // Closed on a phone.
      if (!(await page.getByRole("button", { name: "New token" }).isVisible())) await page.getByText("Access", { exact: true }).click();
      await page.getByRole("button", { name: "New token" }).click();
      await page.getByRole("button", { name: "Create token" }).click();
      await page.getByRole("img", { name: "QR code of the token" }).waitFor();
      await take("token");
      await page.keyboard.press("Escape");
      await page.goto(route(relay.url, "messages", message));
      await panel(page, "Deliveries").locator(".badge").first().waitFor();
      const held = panel(page, "Deliveries").getByRole("button", { name: / held$/ });
      if ((await held.count()) > 0) await held.click();
      await take("message");
      await page.goto(route(relay.url, "tags", "cams"));
      await page.getByRole("link", { name: "attic-cam" }).waitFor();
      await take("tag");
      await page.goto(route(relay.url, "play"));
      await take("play");
      await page.getByRole("button", { name: "Sign out" }).click();
      await take("sign-in");
    }
  });
});
