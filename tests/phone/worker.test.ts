// The service worker's other events: what the person does with a notification, a network that is back, a subscription
// that changes. And that one failure holds up nothing else.

import { createECDH, randomBytes } from "node:crypto";

import { expect, test } from "vitest";

import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay, type Device } from "../harness/index.ts";
import { App } from "./app.ts";

const relay = useRelay({ vars: { VAPID_KEY: randomBytes(32).toString("base64url") } });
const browser = useChromium();

const QUESTION = { title: "Someone is at the door", actions: [{ id: "open", title: "Open" }, { id: "wait", title: "One moment" }] };

interface Away {
  app: App;
  phone: Device;
  doorbell: Device;
  send: (payload: unknown, options?: object) => Promise<string>;
}

/** A phone whose page is closed, and somebody who sends to it. */
async function away(): Promise<Away> {
  const [phone, doorbell] = await relay.devices(2);
  const app = await App.paired(browser, relay, phone!);
  await app.close(phone!);
  return { app, phone: phone!, doorbell: doorbell!, send: (payload, options) => doorbell!.send({ device: phone!.name }, payload, options) };
}

const stateOf = async (sender: Device, id: string) => (await sender.trace(id)).is(200).deliveries[0].state;
const isInProgress = (sender: Device, id: string) => until("it to be in progress", () => stateOf(sender, id), (state) => state === "in_progress");

/** Evaluates this in the worker. */
const inWorker = async (app: App, script: string): Promise<any> => (await app.worker()).evaluate(script);

/** Requests of the worker whose address has one of these in it are answered so from now on. */
const replaceAnswers = (app: App, parts: string[], answer: string) =>
  inWorker(app, `(() => {
    globalThis.network ??= globalThis.fetch;
    const isMeant = (address) => ${JSON.stringify(parts)}.some((part) => \`\${address}\`.includes(part));
    globalThis.fetch = (address, options) => (isMeant(address) ? ${answer} : globalThis.network(address, options));
  })()`);
const restoreAnswers = (app: App) => inWorker(app, "void (globalThis.fetch = globalThis.network)");

const NO_NETWORK = "Promise.reject(new TypeError('no network'))";
const BROKEN = `Promise.resolve(new Response('{"code":"internal","title":"broken"}', { status: 500 }))`;
const NEVER = "new Promise(() => {})";

describeInBrowser("a network that is back", () => {
  test("a sync that fails is the browser's to repeat, and registers nothing itself", async () => {
    const { app, doorbell, send } = await away();
    await inWorker(app, "globalThis.registered = 0; void (SyncManager.prototype.register = async () => void (registered += 1))");
    const id = await send({ title: "Dinner is ready" });
    await replaceAnswers(app, ["/v1/"], NO_NETWORK);
    await app.knock();
    await app.shown("a note", (all) => all.some(({ title }) => title === "Something waits for you"));
    expect(await inWorker(app, "registered")).toBe(1);
    await expect(app.sync()).rejects.toThrow("The service does not answer");
    expect(await inWorker(app, "registered")).toBe(1);
    await restoreAnswers(app);
    await app.sync();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
    expect((await app.shown("the message", (all) => all.some(({ tag }) => tag === id))).map(({ tag }) => tag)).toEqual([id]);
  });
});

describeInBrowser("one failure", () => {
  test("of a message, whatever it is, holds up none behind it", async () => {
    const { app, doorbell, send } = await away();
    const poisoned = [await send({ title: "Poisoned" }), await send({ ...QUESTION, title: "Poisoned, too" })];
    const [plain, asked] = [await send({ title: "Dinner is ready" }), await send(QUESTION)];
    await replaceAnswers(app, poisoned, BROKEN);
    await app.knock();
    expect((await doorbell.settled(plain)).deliveries).toMatchObject([{ state: "delivered" }]);
    await isInProgress(doorbell, asked);
    const shown = await app.shown("all four", (all) => all.length === 4);
    expect(shown.map(({ tag }) => tag).sort()).toEqual([...poisoned, plain, asked].sort());
    const later = await send({ title: "Later" });
    await app.knock();
    expect((await doorbell.settled(later)).deliveries).toMatchObject([{ state: "delivered" }]);
    await app.tap(asked, "open");
    expect((await doorbell.settled(asked)).deliveries).toMatchObject([{ reply: { action: "open" } }]);
  });

  test("of the network ends a knock with a note, before anything else is asked for in vain", async () => {
    const { app, doorbell, send } = await away();
    const id = await send(QUESTION);
    await app.knock();
    await isInProgress(doorbell, id);
    await app.finished();
    await inWorker(app, "globalThis.asked = []; void (globalThis.fetch = async (address) => { asked.push(new URL(address).pathname); throw new TypeError('no network'); })");
    await app.knock();
    await app.shown("a note", (all) => all.some(({ title }) => title === "Something waits for you"));
    expect(await inWorker(app, "asked")).toEqual(["/v1/inbox"]);
  });

  test("of a question's progress is made good by the next knock, and it goes once it is withdrawn", async () => {
    const { app, doorbell, send } = await away();
    const id = await send(QUESTION);
    await replaceAnswers(app, ["/progress"], BROKEN);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await restoreAnswers(app);
    await app.knock();
    await isInProgress(doorbell, id);
    (await doorbell.cancel(id)).is(200);
    await app.knock();
    await app.shown("no question", (all) => !all.some(({ tag }) => tag === id));
  });

  test("of the worker after showing, before acknowledging, shows nothing twice; the next knock acknowledges", async () => {
    const { app, doorbell, send } = await away();
    const [plain, asked] = [await send({ title: "Dinner is ready" }), await send(QUESTION)];
    await replaceAnswers(app, ["/ack", "/progress"], NEVER);
    await app.knock();
    await app.shown("both", (all) => all.length === 2);
    await app.endWorker();
    await app.knock();
    expect((await doorbell.settled(plain)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
    await isInProgress(doorbell, asked);
    const shown = await app.shown("the same", (all) => all.length >= 2);
    expect(shown.map(({ tag }) => tag).filter((tag) => tag === plain || tag === asked).sort()).toEqual([plain, asked].sort());
  });
});

describeInBrowser("a notification", () => {
  /** Writes down which windows are opened, and does not open them. */
  const watchWindows = (app: App) => inWorker(app, "globalThis.opened = []; void (clients.openWindow = async (address) => void opened.push(address))");

  test("opens the page at its message, or its address, when it is tapped", async () => {
    const { app, send } = await away();
    const [plain, linked] = [await send({ title: "Dinner is ready" }), await send({ title: "The menu", url: "https://example.org/menu" })];
    await app.knock();
    await app.shown("both", (all) => all.length === 2);
    await watchWindows(app);
    await app.tap(plain);
    await app.tap(linked);
    expect(await inWorker(app, "opened")).toEqual([`./?message=${plain}`, "https://example.org/menu"]);
    await app.shown("nothing any more", (all) => all.length === 0);
  });

  test("brings the page that is there to the front, and to its message", async () => {
    const { app, send } = await away();
    const asked = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    const page = await app.reopen();
    await page.getByRole("group", { name: QUESTION.title }).waitFor();
    await inWorker(app, "globalThis.focused = 0; void (WindowClient.prototype.focus = async () => void (focused += 1))");
    await watchWindows(app);
    await app.tap(asked);
    await page.locator("li:focus").getByRole("heading", { name: QUESTION.title }).waitFor();
    expect(await inWorker(app, "[focused, opened]")).toEqual([1, []]);
  });

  test("that is swiped away is read, a question stays, and the badge counts what is left", async () => {
    const { app, doorbell, send } = await away();
    await inWorker(app, `
      globalThis.badge = [];
      WorkerNavigator.prototype.setAppBadge = async (count) => void badge.push(count);
      void (WorkerNavigator.prototype.clearAppBadge = async () => void badge.push(0));
    `);
    const [plain, asked] = [await send({ title: "Dinner is ready" }), await send(QUESTION)];
    await app.knock();
    await app.shown("both", (all) => all.length === 2);
    await until("the badge", () => inWorker(app, "badge.at(-1)"), (count) => count === 2);
    await app.swipe(plain);
    expect(await inWorker(app, "badge.at(-1)")).toBe(1);
    await app.swipe(asked);
    expect(await inWorker(app, "badge.at(-1)")).toBe(1);
    expect(await stateOf(doorbell, asked)).toBe("in_progress");
    await app.tap(asked, "wait");
    expect(await inWorker(app, "badge.at(-1)")).toBe(0);
  });

  test("stays if its answer could not be written down, and says so", async () => {
    const { app, doorbell, send } = await away();
    const asked = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await isInProgress(doorbell, asked);
    await inWorker(app, "globalThis.put = IDBObjectStore.prototype.put; void (IDBObjectStore.prototype.put = () => { throw new Error('the disk is full'); })");
    await app.tap(asked, "open");
    const shown = await app.shown("a note", (all) => all.length === 2);
    expect(shown.map(({ title }) => title).sort()).toEqual([QUESTION.title, "Your answer was not sent"]);
    await inWorker(app, "void (IDBObjectStore.prototype.put = put)");
    await app.tap(asked, "open");
    expect((await doorbell.settled(asked)).deliveries).toMatchObject([{ reply: { action: "open" } }]);
  });

  test("of a phone whose token was revoked meanwhile does not promise that the answer is sent", async () => {
    const { app, phone, send } = await away();
    const asked = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    (await relay.admin("DELETE", `/v1/devices/${phone.name}/tokens`)).is(204);
    await app.tap(asked, "open");
    expect(await app.shown("a note", (all) => all.length === 1)).toMatchObject([{ title: "This phone is not paired" }]);
  });

  test("counts what earlier knocks did not show, and keeps the notes of other kinds", async () => {
    const { app, doorbell, send } = await away();
    const more = async (count: number, title: string) => {
      const ids = [];
      for (let n = 1; n <= count; n++) ids.push(await send({ title: `Message ${n}` }));
      await app.knock();
      for (const id of ids) await doorbell.settled(id);
      await app.shown(title, (all) => all.some((shown) => shown.title === title));
    };
    await more(8, "2 more messages");
    await more(7, "3 more messages");
    await replaceAnswers(app, ["/v1/"], NO_NETWORK);
    await app.knock();
    const shown = await app.shown("both notes", (all) => all.some(({ title }) => title === "Something waits for you"));
    expect(shown.map(({ title }) => title)).toContain("3 more messages");
  });
});

describeInBrowser("a subscription", () => {
  test("that the browser replaces is told to the service", async () => {
    const { app, phone } = await away();
    const keys = createECDH("prime256v1");
    keys.generateKeys();
    const json = { endpoint: `https://push.example.net/${phone.name}`, keys: { p256dh: keys.getPublicKey().toString("base64url"), auth: randomBytes(16).toString("base64url") } };
    // Chromium without its push service subscribes to nothing.
    await inWorker(app, `void Object.defineProperty(registration, "pushManager", { value: {
      getSubscription: async () => null,
      subscribe: async () => ({ endpoint: ${JSON.stringify(json.endpoint)}, toJSON: () => (${JSON.stringify(json)}) }),
    } })`);
    await app.dispatch('new Event("pushsubscriptionchange")');
    expect((await phone.request("GET", `/v1/devices/${phone.name}/wake`)).is(200).wake).toMatchObject([{ host: "push.example.net", label: "Chrome on Linux" }]);
    // It is known then.
    await app.dispatch('new Event("pushsubscriptionchange")');
    expect((await phone.request("GET", `/v1/devices/${phone.name}/wake`)).is(200).wake).toHaveLength(1);
  });
});
