// The phone's app in Chromium: its page, its service worker, and the knocks of a push service that the debugging
// protocol delivers.

import type { BrowserContextOptions, CDPSession, Page, Worker } from "playwright-core";

import type { Chromium, Tab } from "../console/browser.ts";
import { until, type Device } from "../harness/index.ts";
import type { Service } from "../harness/service.ts";

/** A phone of today, upright. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** The lock that the worker holds while it does what a knock asks of it. */
const INBOX = "tagpost phone / inbox";
/** Milliseconds after which notifications are read although the worker is still at work: a test may hold it up for good. */
const PATIENCE = 2_000;

/** What the worker shows, as far as tests look at it. */
export interface Shown {
  title: string;
  body: string;
  tag: string;
  actions: { action: string; title: string }[];
}

export class App {
  readonly tab: Tab;
  readonly #url: string;
  #debugger: CDPSession | undefined;
  #registration = "";
  #version = "";
  #running = "";

  private constructor(tab: Tab, url: string) {
    this.tab = tab;
    this.#url = url;
  }

  get page(): Page {
    return this.tab.page;
  }

  /** The app as it is before it is paired, in a browser profile of its own. */
  static async open(browser: Chromium, service: string | URL, options: BrowserContextOptions & { fragment?: string } = {}): Promise<App> {
    const { fragment = "", ...context } = options;
    const tab = await browser.tab({ ...PHONE, permissions: ["notifications"], ...context });
    const app = new App(tab, `${service}`.replace(/\/$/, ""));
    await app.page.goto(`${app.#url}/phone${fragment}`);
    return app;
  }

  /** The app of a phone that is this device, and online. */
  static async paired(browser: Chromium, relay: Service, device: Device, options: BrowserContextOptions = {}): Promise<App> {
    const app = await App.open(browser, relay.url.origin, { ...options, fragment: `#${await pairingCode(relay, device)}` });
    await app.online(device);
    await app.#attach();
    return app;
  }

  async online(device: Device): Promise<void> {
    await this.page.getByRole("heading", { name: device.name, exact: true }).waitFor();
    await this.page.getByRole("status").getByText("online", { exact: true }).waitFor();
  }

  /** Closes the page. The worker stays, and `device` is offline from then on. */
  async close(device: Device): Promise<void> {
    await this.page.close();
    await device.offline();
  }

  /** Opens another page of the app. */
  async reopen(query = ""): Promise<Page> {
    const page = await this.tab.page.context().newPage();
    await page.goto(`${this.#url}/phone/${query}`);
    return page;
  }

  /** The service worker, which runs. */
  async worker(): Promise<Worker> {
    const context = this.page.context();
    return context.serviceWorkers().at(-1) ?? context.waitForEvent("serviceworker");
  }

  /** What the push service delivers: an event without any content. */
  async knock(): Promise<void> {
    await this.#debugger!.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(this.#url).origin,
      registrationId: this.#registration,
      data: "",
    });
  }

  /** Waits until the worker has done everything that the last knock asks of it. */
  async finished(): Promise<void> {
    const worker = await this.worker();
    await worker.evaluate(`navigator.locks.request("${INBOX}", () => undefined)`);
  }

  /**
   * The notifications that are shown, once `holds`. Not read while the worker is showing some: Chromium forgets a
   * notification that somebody asks for after it was written down and before it is on the screen.
   */
  async shown(what: string, holds: (shown: Shown[]) => boolean): Promise<Shown[]> {
    const worker = await this.worker();
    const read = `(() => {
      const read = async () => (await registration.getNotifications()).map(({ title, body, tag, actions }) => ({
        title, body, tag, actions: actions.map(({ action, title }) => ({ action, title })),
      }));
      return navigator.locks.request("${INBOX}", { signal: AbortSignal.timeout(${PATIENCE}) }, read).catch(read);
    })()`;
    return until(what, () => worker.evaluate(read) as Promise<Shown[]>, holds);
  }

  /**
   * An event that this expression makes, in the worker, and all that it waits for. A made-up event opens no window.
   * Fails as its work does.
   */
  async dispatch(event: string): Promise<void> {
    const worker = await this.worker();
    await worker.evaluate(`(async () => {
      const event = await ${event};
      const work = [];
      Object.defineProperty(event, "waitUntil", { value: (promise) => work.push(promise) });
      dispatchEvent(event);
      await Promise.all(work);
    })()`);
  }

  /** What the system does when somebody taps the notification of this tag: the whole of it, or an action. */
  async tap(tag: string, action = ""): Promise<void> {
    await this.dispatch(this.#notificationEvent("notificationclick", tag, action));
  }

  /** What the system does when somebody swipes the notification of this tag away. */
  async swipe(tag: string): Promise<void> {
    await this.dispatch(this.#notificationEvent("notificationclose", tag));
  }

  #notificationEvent(type: string, tag: string, action = ""): string {
    const found = `registration.getNotifications({ tag: ${JSON.stringify(tag)} })`;
    return `${found}.then(([notification]) => new NotificationEvent("${type}", { notification, action: ${JSON.stringify(action)} }))`;
  }

  /** What a browser does for a worker that waits for a network. */
  async sync(): Promise<void> {
    await this.dispatch('new SyncEvent("sync", { tag: "tagpost" })');
  }

  /** Ends the worker, as browsers do whenever they like. The next event starts it again. */
  async endWorker(): Promise<void> {
    await this.#debugger!.send("ServiceWorker.stopWorker", { versionId: this.#version });
    await until("the worker to end", async () => this.#running, (status) => status === "stopped");
  }

  /** A debugger that outlives the page, for the worker of this profile. */
  async #attach(): Promise<void> {
    const context = this.page.context();
    const page = await context.newPage();
    this.#debugger = await context.newCDPSession(page);
    const found = Promise.withResolvers<string>();
    this.#debugger.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const own = registrations.find(({ scopeURL }) => scopeURL.endsWith("/phone/"));
      if (own) found.resolve(own.registrationId);
    });
    this.#debugger.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      const own = versions.findLast(({ scriptURL }) => scriptURL.endsWith("/phone/sw.js"));
      if (own) [this.#version, this.#running] = [own.versionId, own.runningStatus];
    });
    await this.#debugger.send("ServiceWorker.enable");
    this.#registration = await found.promise;
    await this.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    await this.page.bringToFront();
  }
}

/** A pairing code, as the operator's console asks for one. */
export async function pairingCode(relay: Service, device: Device): Promise<string> {
  return (await relay.admin("POST", `/v1/devices/${device.name}/pair`)).is(200).code;
}
