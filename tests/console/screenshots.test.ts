// The pictures of the console in the documentation, of a small fleet. With SCREENSHOTS=<directory> they are taken; a
// test of what they show is elsewhere.

import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, panel, route, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const directory = process.env.SCREENSHOTS;
const PLACES = ["kitchen", "hallway", "garage", "porch", "garden", "cellar", "attic", "workshop"];
const KINDS = ["cam", "door", "lamp", "meter"];
const PEOPLE = ["anna-phone", "ben-phone", "doorbell", "night-watch"];
const HOUR = 3_600_000;

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESK = { viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1.5 };
const LOOKS = [
  { name: "", options: { colorScheme: "light", ...DESK } },
  { name: "-dark", options: { colorScheme: "dark", ...DESK } },
  { name: "-phone", options: { colorScheme: "light", ...PHONE } },
  { name: "-phone-dark", options: { colorScheme: "dark", ...PHONE } },
] as const;

/** How many failures there were so many hours ago. */
const NIGHT = [1, 0, 2, 1, 0, 0, 1, 3, 2, 0, 1, 0, 0, 1, 2, 0, 6, 11, 8, 3, 1, 0, 0, 1];
const WAYS = [
  ["expired", null, "cams"], ["expired", null, "night-rounds"], ["undeliverable", "device_fails", null],
  ["rejected", "lens is dirty", "cams"], ["expired", null, null], ["refused", "queue_full", "meters"], ["rejected", "battery low", null],
] as const;

type Fleet = Map<string, Device>;

(directory ? describeInBrowser : describe.skip)("pictures", () => {
  test("of each page", { timeout: 600_000 }, async () => {
    const fleet = await gather();
    await failed();
    const message = await ring(fleet);
    for (const { name, options } of LOOKS) {
      const { page } = await browser.tab({ ...options, reducedMotion: "reduce" });
      const take = async (what: string, fullPage = false) => {
        await expect.poll(() => page.locator("[aria-busy=true]").count()).toBe(0);
        await page.evaluate("document.activeElement?.blur(); document.getElementById('host').textContent = 'push.example.net'");
        await page.screenshot({ path: `${directory}/${what}${name}.png`, fullPage });
      };
      await operator(page, relay);
      const failures = panel(page, "Failures of the last day");
      for (const at of [1, 2, 4]) await failures.getByRole("checkbox", { name: /^Select the message/, disabled: false }).nth(at).check();
      await page.evaluate("scrollTo(0, 0)");
      await take("overview");
      await take("overview-all", true);
      await act(page, fleet, () => take("device"));
      await take("device-all", true);
      await page.goto(route(relay.url, "messages", message));
      await panel(page, "Payload").getByText("Front door").waitFor();
      await take("message");
      await take("message-all", true);
      await others(page, take);
    }
  });
});

/** A house with its devices, most of which are online, and the people in it. */
async function gather(): Promise<Fleet> {
  const names = PLACES.flatMap((place) => KINDS.map((kind) => `${place}-${kind}`));
  const fleet: Fleet = new Map();
  for (const name of [...names, ...PEOPLE]) fleet.set(name, await relay.device(name));
  for (const name of names) for (const tag of name.split("-").map((part, at) => (at === 0 ? part : `${part}s`))) await relay.bind(tag, fleet.get(name)!);
  for (const name of ["kitchen-cam", "anna-phone", "ben-phone"]) await relay.bind("on-call", fleet.get(name)!);
  const busy = new Set(["kitchen-cam", "hallway-door", "porch-cam"]);
  for (const name of names.filter((name, n) => n % 4 !== 3 && !busy.has(name))) (await fleet.get(name)!.connect()).answer(() => ({ ok: true }));
  // Seen once, and gone since.
  for (const name of busy) {
    (await fleet.get(name)!.connect()).terminate();
    await fleet.get(name)!.offline();
  }
  return fleet;
}

/** What failed in the last day, straight into the directory: nobody waits for a day. */
async function failed(): Promise<void> {
  const directory = await relay.directory();
  const now = Date.now();
  let n = 0;
  for (const [ago, count] of NIGHT.entries()) {
    for (let i = 0; i < count; i++, n++) {
      const at = now - ago * HOUR - Math.round(((i + 0.4) * HOUR) / (count + 0.6)) + 17_000;
      const [state, reason, tag] = WAYS[n % WAYS.length]!;
      const device = `${PLACES[(3 * n) % PLACES.length]}-${tag === "meters" ? "meter" : tag === null ? KINDS[n % 3] : "cam"}`;
      const id = `01M8${n.toString(36).toUpperCase().padStart(4, "0")}TFYHWCCN22Z0FBG54`;
      const resent = n % 5 === 3 ? `01M9${n.toString(36).toUpperCase().padStart(4, "0")}TFYHWCCN22Z0FBG54` : null;
      const statement = directory.prepare("INSERT INTO failures (at, id, device, state, reason, sender, tag, resent_as) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
      await statement.bind(at, id, device, state, reason, n % 3 === 0 ? "doorbell" : "night-watch", tag, resent).run();
    }
  }
}

/** A message to five devices, each of which has come to something else. Returns its id. */
async function ring(fleet: Fleet): Promise<string> {
  for (const name of ["hallway-door", "hallway-lamp", "porch-cam", "anna-phone", "ben-phone"]) await relay.bind("front-door", fleet.get(name)!);
  const question = { title: "Someone is at the door", body: "Front door", actions: [{ id: "open", label: "Open" }, { id: "wait", label: "One moment" }] };
  const id = await fleet.get("doorbell")!.send({ tag: "front-door" }, question);
  const door = await fleet.get("hallway-door")!.connect();
  door.answer(() => ({ locked: true }));
  const camera = await fleet.get("porch-cam")!.connect();
  await camera.next((frame) => frame.type === "message" && frame.id === id);
  camera.nack(id, "lens is dirty");
  await fleet.get("ben-phone")!.inbox();
  await fleet.get("ben-phone")!.progress(id, { note: "on my way" });
  const summary = async () => (await fleet.get("doorbell")!.trace(id)).is(200).summary;
  await expect.poll(summary, { timeout: 20_000 }).toEqual({ delivered: 2, rejected: 1, held: 1, in_progress: 1 });
  return id;
}

/** A camera comes online, and works on what waits, while somebody looks on. */
async function act(page: Page, fleet: Fleet, take: () => Promise<void>): Promise<void> {
  const [camera, watch, doorbell] = [fleet.get("kitchen-cam")!, fleet.get("night-watch")!, fleet.get("doorbell")!];
  await camera.send({ tag: "on-call" }, { title: "The window is open", body: "Kitchen" });
  await camera.send({ device: "hallway-lamp" }, { on: true });
  await page.goto(route(relay.url, "devices", "kitchen-cam"));
  const live = panel(page, "Live");
  await shows(live.getByText("Connected", { exact: true }));
  const steps = live.getByRole("listitem");
  const arm = await watch.send({ device: camera.name }, { arm: true, zones: ["front", "back"] }, { urgency: "high", topic: "arm" });
  const motion = await doorbell.send({ tag: "kitchen" }, { motion: true, area: "window" });
  const clip = await doorbell.send({ tag: "cams" }, { clip: 30 });
  const rounds = await watch.send({ device: camera.name }, "record until 07:00", { urgency: "low", ttl: 36_000 });
  await shows(steps, 4);
  const socket = await camera.open(undefined, "?max_in_flight=2");
  const next = (id: string) => socket.next((frame) => frame.type === "message" && frame.id === id);
  await next(arm);
  await next(motion);
  socket.ack(motion, { person: "none", cat: 1 });
  await next(clip);
  socket.nack(clip, "lens is dirty");
  await next(rounds);
  socket.progress(rounds, { for: 3600, note: "recording" });
  await doorbell.send({ tag: "kitchen" }, { motion: true, area: "door" });
  await watch.send({ device: camera.name }, { snapshot: true }, { ttl: 3600 });
  await shows(steps.getByText("recording"));
  for (const state of ["in progress", "held"]) await panel(page, "Queue").getByRole("listitem").getByText(state).first().waitFor();
  // A phone shows either the queue or the steps.
  const top = page.viewportSize()!.width < 500 ? (await live.boundingBox())!.y - 100 : 0;
  await page.evaluate(`scrollTo(0, 0); scrollTo(0, ${top})`);
  await take();
  // For the next look it is as it was.
  socket.answer();
  for (const id of [arm, rounds]) socket.ack(id);
  await expect.poll(async () => (await camera.status()).is(200), { timeout: 20_000 }).toMatchObject({ held: 0, in_flight: 0, in_progress: 0 });
  socket.terminate();
  await camera.offline();
}

/** The pages that no document shows. */
async function others(page: Page, take: (what: string, fullPage?: boolean) => Promise<void>): Promise<void> {
  await page.goto(route(relay.url, "devices"));
  await page.getByRole("option", { name: /attic-cam/ }).waitFor();
  await take("devices");
  await page.goto(route(relay.url, "tags", "cams"));
  await page.getByRole("link", { name: "attic-cam" }).first().waitFor();
  await take("tag", true);
  await page.getByRole("button", { name: "Send a message" }).click();
  await page.getByRole("dialog").getByText("Options").click();
  await take("send");
  await page.keyboard.press("Escape");
  await page.goto(route(relay.url, "play"));
  await take("play");
  await page.getByRole("button", { name: "Sign out" }).click();
  await take("sign-in");
}
