// A knock: the service worker fetches what waits, shows each message once, and answers it, while no page is open.

import { expect, test } from "vitest";

import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay, type Device } from "../harness/index.ts";
import { App } from "./app.ts";

const relay = useRelay();
const browser = useChromium();

const QUESTION = {
  title: "Someone is at the door",
  body: "Front door",
  actions: [{ id: "open", title: "Open", reply: { door: "front", opened: true } }, { id: "wait", label: "One moment" }],
};

/** A phone whose page is closed, and somebody who sends to it. */
async function away(): Promise<{ app: App; phone: Device; doorbell: Device; send: (payload: unknown) => Promise<string> }> {
  const [phone, doorbell] = await relay.devices(2);
  const app = await App.paired(browser, relay, phone!);
  await app.close(phone!);
  return { app, phone: phone!, doorbell: doorbell!, send: (payload) => doorbell!.send({ device: phone!.name }, payload) };
}

/** The state of the one delivery of a message. */
const stateOf = async (sender: Device, id: string) => (await sender.trace(id)).is(200).deliveries[0].state;

describeInBrowser("a knock", () => {
  test("shows a message and acknowledges it", async () => {
    const { app, phone, doorbell, send } = await away();
    const titled = await send({ title: "Dinner is ready", body: "In the kitchen", url: "https://example.org/menu" });
    const text = await doorbell.send({ device: phone.name }, "just text", { type: "text/plain" });
    await app.knock();
    const shown = await app.shown("both messages", (all) => all.length === 2);
    expect(shown.find(({ tag }) => tag === titled)).toMatchObject({ title: "Dinner is ready", body: "In the kitchen", actions: [] });
    expect(shown.find(({ tag }) => tag === text)).toMatchObject({ title: doorbell.name, body: "just text" });
    expect((await doorbell.settled(titled)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
    expect((await doorbell.settled(text)).deliveries).toMatchObject([{ state: "delivered" }]);
  });

  test("cuts a long text between characters, in the notification and in the list", async () => {
    const { app, phone, doorbell } = await away();
    // Three people, joined: one character of eight units.
    const family = "\u{1F469}\u200D\u{1F469}\u200D\u{1F467}";
    const [short, long] = ["a".repeat(499), "a".repeat(8_190)];
    const ids = await Promise.all([short, long].map((text) => doorbell.send({ device: phone.name }, `${text}${family}, and more`, { type: "text/plain" })));
    await app.knock();
    const shown = await app.shown("both", (all) => all.length === 2);
    expect(ids.map((id) => shown.find(({ tag }) => tag === id)?.body)).toEqual([short, long.slice(0, 500)]);
    const page = await app.reopen();
    await page.getByText(long, { exact: true }).waitFor();
    await page.getByText(`${short}${family}, and more`, { exact: true }).waitFor();
  });

  test("shows a question with its actions, and the reply of the one that is tapped comes to the sender", async () => {
    const { app, doorbell, send } = await away();
    const id = await send(QUESTION);
    await app.knock();
    const [shown] = await app.shown("the question", (all) => all.length === 1);
    expect(shown).toMatchObject({ title: QUESTION.title, body: QUESTION.body, tag: id });
    expect(shown!.actions).toEqual([{ action: "open", title: "Open" }, { action: "wait", title: "One moment" }]);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    await app.tap(id, "open");
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { door: "front", opened: true } }]);
    await app.shown("nothing any more", (all) => all.length === 0);
  });

  test("an action without a reply of its own answers with its id", async () => {
    const { app, doorbell, send } = await away();
    const id = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await app.tap(id, "wait");
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { action: "wait" } }]);
  });

  test("does not show a message again that comes again", async () => {
    const { app, phone, doorbell, send } = await away();
    const id = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    const worker = await app.worker();
    // The person has swiped it away; the service sends it again, as it does once its progress has run out.
    await worker.evaluate("registration.getNotifications().then((all) => all.forEach((one) => one.close()))");
    (await phone.progress(id, { for: 1 })).is(204);
    await until("it to be held again", () => stateOf(doorbell, id), (state) => state === "held");
    await app.knock();
    await until("it to be in progress again", () => stateOf(doorbell, id), (state) => state === "in_progress");
    expect((await app.shown("a note", (all) => all.length > 0)).map(({ title }) => title)).toEqual(["Nothing new"]);
    expect((await doorbell.trace(id)).is(200).deliveries).toMatchObject([{ attempts: 2 }]);
  });

  test("takes down a question that its sender has withdrawn", async () => {
    const { app, doorbell, send } = await away();
    const [id, other] = [await send(QUESTION), await send({ ...QUESTION, title: "Another" })];
    await app.knock();
    await app.shown("both questions", (all) => all.length === 2);
    for (const asked of [id, other]) await until("progress", () => stateOf(doorbell, asked), (state) => state === "in_progress");
    (await doorbell.cancel(id)).is(200);
    await app.knock();
    const left = await app.shown("one question", (all) => !all.some(({ tag }) => tag === id));
    expect(left.map(({ tag }) => tag)).toContain(other);
  });

  test("that finds nothing says so, and takes that down by itself", async () => {
    const { app } = await away();
    // It is there for a few seconds only, so it is written down.
    const worker = await app.worker();
    await worker.evaluate(`(() => {
      globalThis.notes = [];
      const show = registration.showNotification.bind(registration);
      ServiceWorkerRegistration.prototype.showNotification = (title, options) => (notes.push(title), show(title, options));
    })()`);
    await app.knock();
    await until("a note", () => worker.evaluate("notes.length"), (count) => count === 1);
    expect(await worker.evaluate("notes")).toEqual(["Nothing new"]);
    await app.shown("nothing any more", (all) => all.length === 0);
  });

  test("shows the first of many messages, and how many more there are", async () => {
    const { app, doorbell, send } = await away();
    const ids = [];
    for (let n = 1; n <= 40; n++) ids.push(await send({ title: `Message ${n}` }));
    await app.knock();
    // Chromium forgets a notification that it is asked for just before it is there: they are looked at in the end.
    for (const id of ids) expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
    const shown = await app.shown("six and a note", (all) => all.some(({ tag }) => tag === "tagpost more"));
    expect(shown.map(({ title }) => title).sort()).toEqual(["34 more messages", ...[1, 2, 3, 4, 5, 6].map((n) => `Message ${n}`)]);
  });

  test("shows nothing while the page is in front, which shows the message", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.paired(browser, relay, phone!);
    const id = await doorbell!.send({ device: phone!.name }, { title: "Dinner is ready" });
    await app.page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
    await app.knock();
    await doorbell!.settled(id);
    expect(await app.page.getByRole("heading", { name: "Dinner is ready" }).count()).toBe(1);
    // A later event of the worker comes after this one.
    await (await app.worker()).evaluate("navigator.locks.request('tagpost phone / inbox', () => undefined)");
    expect(await app.shown("nothing", () => true)).toEqual([]);
  });

  test("of a phone whose token was revoked says that it is not paired", async () => {
    const { app, phone } = await away();
    (await relay.admin("DELETE", `/v1/devices/${phone.name}/tokens`)).is(204);
    await app.knock();
    expect(await app.shown("a note", (all) => all.length === 1)).toMatchObject([{ title: "This phone is not paired" }]);
    const page = await app.reopen();
    await page.getByRole("heading", { name: "This phone is no longer paired" }).waitFor();
  });
});

describeInBrowser("without a network", () => {
  test("a knock says that something waits, and an answer is kept and sent later", async () => {
    const { app, doorbell, send } = await away();
    const id = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    const worker = await app.worker();
    await worker.evaluate("globalThis.online = globalThis.fetch; globalThis.fetch = () => Promise.reject(new TypeError('no network'))");
    await app.tap(id, "open");
    expect(await app.shown("a note", (all) => all.length === 1)).toMatchObject([{ title: "Your answer is kept", body: "“Open” is sent as soon as there is a network." }]);
    await app.knock();
    await app.shown("a note", (all) => all.some(({ title }) => title === "Something waits for you"));
    expect(await stateOf(doorbell, id)).toBe("in_progress");
    await worker.evaluate("globalThis.fetch = globalThis.online");
    await app.knock();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { door: "front", opened: true } }]);
  });
});
