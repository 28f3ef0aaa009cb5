// A real Chromium with the console in it. Where there is none the tests are skipped with a message,
// except in CI, where they fail.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";

/** Milliseconds for anything the page is expected to do. */
export const PAGE_TIMEOUT = 20_000;

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
export const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const MISSING = "the console is tested in Chromium, which is not installed: `apt-get install chromium`";

/** Where the browser is, if it is there. */
export const EXECUTABLE = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((directory) => NAMES.map((name) => join(directory, name)))
  .find(isExecutable);
const isSkipped = !EXECUTABLE && !process.env.CI;
if (isSkipped) console.warn(`skipped: ${MISSING}`);

/** A group of tests that need the browser. */
export const describeInBrowser = describe.skipIf(isSkipped);

/** A page, and what went wrong on it. */
export interface Tab {
  page: Page;
  /** Errors and warnings that the browser logged, and exceptions that nobody caught. */
  complaints: string[];
  /** Every address that was asked for, sockets included. */
  requests: string[];
}

export class Chromium {
  #browser: Browser | undefined;
  #tabs: Tab[] = [];

  async start(): Promise<void> {
    if (!EXECUTABLE) throw new Error(MISSING);
    this.#browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
  }

  /** A tab of a browser profile of its own. */
  async tab(options: BrowserContextOptions = {}): Promise<Tab> {
    if (!this.#browser) throw new Error("the browser is not started");
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(PAGE_TIMEOUT);
    const page = await context.newPage();
    const tab: Tab = { page, complaints: [], requests: [] };
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) tab.complaints.push(message.text());
    });
    page.on("pageerror", (error) => tab.complaints.push(`${error.stack}`));
    page.on("request", (request) => tab.requests.push(request.url()));
    page.on("websocket", (socket) => tab.requests.push(socket.url()));
    this.#tabs.push(tab);
    return tab;
  }

  /** Closes all tabs. */
  async close(): Promise<void> {
    await Promise.all(this.#tabs.splice(0).map(({ page }) => page.context().close()));
  }

  /** What the tabs that are open show, for a test that failed. */
  async seen(): Promise<string> {
    const shown = this.#tabs.map(async ({ page, complaints }) => {
      const text = await page.locator("body").ariaSnapshot({ timeout: 2000 }).catch((error) => `${error}`);
      return `${text}\ncomplaints: ${JSON.stringify(complaints)}`;
    });
    return (await Promise.all(shown)).join("\n\n");
  }
}

/** One browser for all tests of a file. */
export function useChromium(): Chromium {
  const browser = new Chromium();
  if (isSkipped) return browser;
  beforeAll(() => browser.start(), 60_000);
  afterAll(() => browser.stop(), 30_000);
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") console.log(`what the browser showed at the failure of "${task.name}":\n${await browser.seen()}`);
    await browser.close();
  });
  return browser;
}

/** The pane of a device. */
export const paneOf = (page: Page, device: string): Locator => page.getByRole("region", { name: device, exact: true });

/** The link that opens the console as the operator, and as these devices. */
export function link(url: URL, adminKey: string, { devices = [], tag }: { devices?: string[]; tag?: string } = {}): string {
  const fragment = new URLSearchParams({ admin_key: adminKey });
  for (const device of devices) fragment.append("device", device);
  if (tag) fragment.set("tag", tag);
  return `${url.origin}/#${fragment}`;
}

/** Opens the console as the operator, on the page with this address. */
export async function operator(page: Page, { url, adminKey }: { url: URL; adminKey: string }, ...parts: string[]): Promise<void> {
  await page.goto(link(url, adminKey));
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  if (parts.length > 0) await page.goto(route(url, ...parts));
}

/** The address of a page of the console. */
export const route = (url: URL, ...parts: string[]) => `${url.origin}/#/${parts.map(encodeURIComponent).join("/")}`;

/** A panel of a page, by its title. */
export const panel = (page: Page, title: string): Locator => page.getByRole("region", { name: title, exact: true });

/** Hides the tab from the page, or shows it again. */
export const hide = (page: Page, isHidden: boolean) =>
  page.evaluate(
    `${isHidden ? "Object.defineProperty(document, 'hidden', { value: true, configurable: true })" : "delete document.hidden"};
    document.dispatchEvent(new Event("visibilitychange"))`,
  );

/** Waits until a text is shown, by the element that shows it. */
export async function shows(locator: Locator, count = 1): Promise<void> {
  await locator.nth(count - 1).waitFor();
  // A list that is replaced still has its earlier rows for a moment.
  await expect.poll(() => locator.count(), { timeout: PAGE_TIMEOUT }).toBe(count);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
