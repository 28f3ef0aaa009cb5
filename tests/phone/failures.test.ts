// What goes wrong while the page is in front: storage that fails once, requests that fail, and two pages of one phone.

import { expect, test } from "vitest";

import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay, type Device } from "../harness/index.ts";
import { App, pairingCode } from "./app.ts";

const relay = useRelay();
const browser = useChromium();

const QUESTION = { title: "Someone is at the door", actions: [{ id: "open", title: "Open" }, { id: "wait", title: "One moment" }] };

async function open(): Promise<{ app: App; phone: Device; doorbell: Device; send: (payload: unknown) => Promise<string> }> {
  const [phone, doorbell] = await relay.devices(2);
  const app = await App.paired(browser, relay, phone!);
  return { app, phone: phone!, doorbell: doorbell!, send: (payload) => doorbell!.send({ device: phone!.name }, payload) };
}

const stateOf = async (sender: Device, id: string) => (await sender.trace(id)).is(200).deliveries[0].state;

/** The next call of this method of the page's storage fails, and no other. */
const failOnce = (app: App, method: "put" | "getAll") =>
  app.page.evaluate(`(() => {
    const { ${method}: whole } = IDBObjectStore.prototype;
    globalThis.failed = false;
    IDBObjectStore.prototype.${method} = function () {
      IDBObjectStore.prototype.${method} = whole;
      globalThis.failed = true;
      throw new Error("the disk is full");
    };
  })()`);

describeInBrowser("a failure of the phone's storage", () => {
  test("while the list is drawn does not end the list", async () => {
    const { app, send } = await open();
    await send({ title: "The first" });
    await app.page.getByRole("heading", { name: "The first" }).waitFor();
    await failOnce(app, "getAll");
    await app.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await until("the failure", () => app.page.evaluate("failed") as Promise<boolean>, (has) => has);
    await send({ title: "The second" });
    await app.page.getByRole("heading", { name: "The second" }).waitFor();
  });

  test("while a message is stored loses nothing: it comes again, and so does the next", async () => {
    const { app, doorbell, send } = await open();
    await failOnce(app, "put");
    const first = await send({ title: "The first" });
    await app.page.getByRole("heading", { name: "The first" }).waitFor();
    expect(await app.page.evaluate("failed")).toBe(true);
    expect((await doorbell.settled(first)).deliveries).toMatchObject([{ state: "delivered" }]);
    const second = await send({ title: "The second" });
    expect((await doorbell.settled(second)).deliveries).toMatchObject([{ state: "delivered" }]);
  });

  test("while an answer is stored is told, and the question stays", async () => {
    const { app, doorbell, send } = await open();
    const id = await send(QUESTION);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    await app.page.getByRole("button", { name: "Open" }).waitFor();
    await failOnce(app, "put");
    await app.page.getByRole("button", { name: "Open" }).tap();
    await app.page.getByRole("dialog", { name: "Your answer was not sent" }).getByRole("button", { name: "Done" }).tap();
    await app.page.getByRole("button", { name: "Open" }).tap();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ reply: { action: "open" } }]);
  });
});

describeInBrowser("a request that fails while the connection lives", () => {
  test.each([["the answer", "ack"], ["the progress of a question", "progress"]])("is made again by itself: %s", async (_, path) => {
    const { app, doorbell, send } = await open();
    let failures = 0;
    await app.page.route(`**/v1/inbox/*/${path}`, (route) => (failures++ < 2 ? route.fulfill({ status: 500, json: { code: "internal", title: "broken" } }) : route.continue()));
    const id = await send(QUESTION);
    await app.page.getByRole("button", { name: "Open" }).waitFor();
    if (path === "ack") await app.page.getByRole("button", { name: "Open" }).tap();
    const wanted = path === "ack" ? "delivered" : "in_progress";
    await until("the service to know", () => stateOf(doorbell, id), (state) => state === wanted);
    expect(failures).toBeGreaterThanOrEqual(3);
  });
});

describeInBrowser("two pages of one phone", () => {
  test("both leave a device that one of them forgets", async () => {
    const { app } = await open();
    const other = await app.reopen();
    await other.getByRole("button", { name: "Forget this phone" }).tap();
    await other.getByRole("dialog").getByRole("button", { name: "Forget", exact: true }).tap();
    for (const page of [other, app.page]) await page.getByRole("heading", { name: "Pair this phone" }).waitFor();
  });

  test("both become the device that one of them is paired with", async () => {
    const { app, doorbell } = await open();
    const second = await relay.device();
    const other = await app.reopen();
    await other.evaluate(`location.hash = ${JSON.stringify(await pairingCode(relay, second))}`);
    await other.getByRole("button", { name: "Pair again" }).tap();
    for (const page of [other, app.page]) await page.getByRole("heading", { name: second.name, exact: true }).waitFor();
    const id = await doorbell.send({ device: second.name }, { title: "For the second" });
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
    for (const page of [other, app.page]) await page.getByRole("heading", { name: "For the second" }).waitFor();
  });
});

describeInBrowser("a message that comes while the page goes out of sight", () => {
  test("is not taken for seen: the next knock shows it", async () => {
    const { app, phone, doorbell, send } = await open();
    await app.page.evaluate(`(() => {
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...given) {
        IDBObjectStore.prototype.put = put;
        Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
        return put.apply(this, given);
      };
    })()`);
    const id = await send({ title: "Dinner is ready" });
    await phone.offline();
    await app.close(phone);
    expect(await stateOf(doorbell, id)).toBe("held");
    await app.knock();
    await app.shown("the message", (all) => all.some(({ tag }) => tag === id));
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
  });
});
