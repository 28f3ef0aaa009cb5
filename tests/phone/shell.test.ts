// The app's shell: served with a strict policy, installable, there without a network, and never stale.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";
import { describe, expect, test } from "vitest";

import { EXECUTABLE, FLAGS, describeInBrowser, useChromium } from "../console/browser.ts";
import { useBelow } from "../harness/below.ts";
import { until, useRelay } from "../harness/index.ts";
import { App, PHONE, pairingCode } from "./app.ts";
import { useVersions } from "./versions.ts";

const relay = useRelay();
const below = useBelow(() => relay.url);
const versions = useVersions(() => relay.url);
const browser = useChromium();

const FILES = ["", "page.js", "page.css", "sw.js", "manifest.webmanifest", "icons/icon-192.png", "icons/icon-512.png", "icons/maskable-512.png", "icons/apple-touch-icon.png", "icons/badge-96.png"];

describe.concurrent("the phone's files", () => {
  test.each(FILES)("phone/%s is served with a strict policy, and asked for again each time", async (file) => {
    const answer = await relay.request("GET", `/phone/${file}`);
    expect(answer.status).toBe(200);
    const policy = answer.headers.get("content-security-policy") ?? "";
    for (const directive of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
      expect(policy.split("; ")).toContain(directive);
    }
    expect(policy).not.toContain("unsafe");
    // One policy: another one beside it would have to be met as well.
    expect(policy.match(/default-src/g)).toHaveLength(1);
    expect(answer.headers.get("cache-control")).toBe("no-cache, no-transform");
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("/phone leads to the page, wherever the service lies", async () => {
    const answer = await relay.request("GET", "/phone");
    expect([answer.status, answer.headers.get("location")]).toEqual([308, "phone/"]);
    (await relay.request("POST", "/phone")).problem(405);
  });

  test("the console's own policy is unchanged", async () => {
    const policy = (await relay.request("GET", "/")).headers.get("content-security-policy");
    expect(policy).toContain("img-src 'self';");
    expect(policy).toContain("trusted-types 'none'");
  });
});

describeInBrowser("the shell", () => {
  test("is installable", async () => {
    const profile = mkdtempSync(join(tmpdir(), "tagpost-chromium-"));
    // An incognito profile installs nothing.
    const context = await chromium.launchPersistentContext(profile, { executablePath: EXECUTABLE!, args: FLAGS, ...PHONE });
    try {
      const page = context.pages()[0]!;
      await page.goto(`${relay.url.origin}/phone`);
      await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
      const session = await context.newCDPSession(page);
      const { errors, url } = await session.send("Page.getAppManifest");
      expect(errors).toEqual([]);
      expect(url).toBe(`${relay.url.origin}/phone/manifest.webmanifest`);
      expect((await session.send("Page.getInstallabilityErrors")).installabilityErrors).toEqual([]);
    } finally {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  });

  test("opens without a network, with what came before", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.paired(browser, relay, phone!);
    await doorbell!.send({ device: phone!.name }, { title: "Dinner is ready" });
    await app.page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
    await app.page.context().setOffline(true);
    await app.page.reload();
    await app.page.getByRole("heading", { name: phone!.name, exact: true }).waitFor();
    await app.page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
    await app.page.getByRole("status").getByText("offline").waitFor();
    await app.page.context().setOffline(false);
    await app.online(phone!);
  });

  test("of a new version takes over whole, and leaves no file of the old one", async () => {
    versions.reset();
    const app = await App.open(browser, versions.url);
    await app.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    const version = await versions.deploy({ "page.js": "document.title = 'the next version';", "page.css": "" });
    await app.page.evaluate("navigator.serviceWorker.getRegistration().then((registration) => registration.update())");
    // While it loads, the page cannot be asked.
    await until("the next version", () => app.page.title().catch(() => ""), (title) => title === "the next version");
    expect(await app.page.evaluate("caches.keys()")).toEqual([`tagpost phone / ${version}`]);
  });

  test("of a version whose files do not fit together is not taken", async () => {
    versions.reset();
    const app = await App.open(browser, versions.url);
    await app.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    const title = await app.page.title();
    await versions.deploy({ "page.js": "document.title = 'half of a version';", "page.css": "", "sw.js": "" }, { isWhole: false });
    const state = await app.page.evaluate(`navigator.serviceWorker.getRegistration().then(async (registration) => {
      const found = new Promise((resolve) => registration.addEventListener("updatefound", () => resolve(registration.installing)));
      registration.update().catch(() => {});
      const worker = await found;
      while (!["activated", "redundant"].includes(worker.state)) await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
      return worker.state;
    })`);
    expect(state).toBe("redundant");
    await app.page.reload();
    expect(await app.page.title()).toBe(title);
  });

  test("of a service below a path asks for nothing beside it", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.open(browser, below.url, { fragment: `#${await pairingCode(relay, phone!)}` });
    await app.online(phone!);
    expect(new URL(app.page.url()).pathname).toBe("/push/phone/");
    const id = await doorbell!.send({ device: phone!.name }, { title: "Open?", actions: [{ id: "yes", title: "Yes" }] });
    await app.page.getByRole("button", { name: "Yes" }).click();
    expect((await doorbell!.settled(id)).deliveries).toMatchObject([{ reply: { action: "yes" } }]);
    await app.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    expect(below.astray).toEqual([]);
    expect(await app.page.evaluate("caches.keys()")).toMatchObject([expect.stringMatching(/^tagpost phone \/push\/ /)]);
  });
});
