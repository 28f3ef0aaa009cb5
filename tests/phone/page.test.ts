// The page of a phone that is a device: messages come over its connection, and a person answers them.

import { expect, test } from "vitest";

import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay, type Device } from "../harness/index.ts";
import { App } from "./app.ts";

const relay = useRelay();
const browser = useChromium();

const QUESTION = { title: "Someone is at the door", body: "Front door.\nIt rained.", actions: [{ id: "open", title: "Open" }, { id: "wait", title: "One moment" }] };

async function open(): Promise<{ app: App; phone: Device; doorbell: Device; send: (payload: unknown, options?: object) => Promise<string> }> {
  const [phone, doorbell] = await relay.devices(2);
  const app = await App.paired(browser, relay, phone!);
  return { app, phone: phone!, doorbell: doorbell!, send: (payload, options) => doorbell!.send({ device: phone!.name }, payload, options) };
}

const stateOf = async (sender: Device, id: string) => (await sender.trace(id)).is(200).deliveries[0].state;

describeInBrowser("the phone's page", () => {
  test("shows a message and acknowledges it, and a text is never markup", async () => {
    const { app, doorbell, send } = await open();
    const markup = "<img src=x onerror=\"document.title='taken'\">";
    const ids = [await send({ title: markup, body: markup }), await send('{"serial":1724442618569203714}', { type: "application/json" })];
    await app.page.getByRole("heading", { name: markup }).waitFor();
    await app.page.getByText('{"serial":1724442618569203714}', { exact: true }).waitFor();
    for (const id of ids) expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
    expect(await app.page.locator("main img").count()).toBe(0);
    expect(await app.page.title()).not.toBe("taken");
  });

  test("a question is answered with a tap, also after the page was closed and opened again", async () => {
    const { app, doorbell, send } = await open();
    const id = await send(QUESTION);
    await app.page.getByRole("group", { name: QUESTION.title }).getByRole("button", { name: "Open" }).waitFor();
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    await app.page.reload();
    await app.page.getByRole("button", { name: "One moment" }).tap();
    await app.page.getByText("You chose One moment").waitFor();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { action: "wait" }, attempts: 1 }]);
  });

  test("a question that is declined is rejected", async () => {
    const { app, doorbell, send } = await open();
    const id = await send(QUESTION);
    await app.page.getByRole("button", { name: "Decline" }).tap();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: "dismissed" }]);
    await app.page.getByText("Declined").waitFor();
  });

  test("what is withdrawn is taken down at once, with its notification", async () => {
    const { app, phone, doorbell, send } = await open();
    await app.close(phone);
    const id = await send(QUESTION);
    await app.knock();
    await app.shown("the question", (all) => all.length === 1);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    const page = await app.reopen();
    await page.getByRole("status").getByText("online").waitFor();
    await page.getByRole("button", { name: "Open" }).waitFor();
    (await doorbell.cancel(id)).is(200);
    await page.getByText("No longer needed: cancelled by its sender").waitFor();
    expect(await page.getByRole("button", { name: "Open" }).count()).toBe(0);
    await app.shown("nothing", (all) => all.length === 0);
  });

  test("a question that ended while the phone was away is over when the page is opened", async () => {
    const { app, phone, doorbell, send } = await open();
    const id = await send(QUESTION);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    await app.close(phone);
    (await doorbell.cancel(id)).is(200);
    const page = await app.reopen();
    await page.getByText("No longer needed").waitFor();
  });

  test("opening it takes down the notifications of what is read there, and leaves the questions", async () => {
    const { app, phone, send } = await open();
    await app.close(phone);
    const [id, asked] = [await send({ title: "Dinner is ready" }), await send(QUESTION)];
    await app.knock();
    await app.shown("both", (all) => all.length === 2);
    const page = await app.reopen(`?message=${id}`);
    await page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
    expect((await app.shown("the question alone", (all) => all.length === 1)).map(({ tag }) => tag)).toEqual([asked]);
    expect(new URL(page.url()).search).toBe("");
    await page.locator("li:focus").getByText("Dinner is ready").waitFor();
  });

  test("an answer that is given without a network is sent when there is one", async () => {
    const { app, doorbell, send } = await open();
    const id = await send(QUESTION);
    await until("it to be in progress", () => stateOf(doorbell, id), (state) => state === "in_progress");
    await app.page.context().setOffline(true);
    await app.page.getByRole("button", { name: "Open" }).tap();
    await app.page.getByText("You chose Open · sent when there is a network").waitFor();
    expect(await stateOf(doorbell, id)).toBe("in_progress");
    await app.page.context().setOffline(false);
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { action: "open" } }]);
    await app.page.getByText("You chose Open", { exact: true }).waitFor();
  });

  test("it is connected only while it is in front", async () => {
    const { app, phone } = await open();
    const turn = (state: string) => app.page.evaluate(`
      Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    `);
    await turn("hidden");
    await phone.offline();
    await turn("visible");
    await until("it to be online", async () => (await phone.status()).is(200).online, (online) => online);
  });

  test("another connection of the device takes over, and the page offers to take it back", async () => {
    const { app, phone } = await open();
    const socket = await phone.connect();
    await app.page.getByRole("region", { name: "Connected elsewhere" }).waitFor();
    await app.page.getByRole("button", { name: "Connect here" }).tap();
    await app.online(phone);
    expect(await socket.closed()).toMatchObject({ code: 4409 });
  });

  test("a phone that is forgotten keeps nothing, and is no device any more", async () => {
    const { app, send } = await open();
    await send({ title: "Dinner is ready" });
    await app.page.getByRole("heading", { name: "Dinner is ready" }).waitFor();
    await app.page.getByRole("button", { name: "Forget this phone" }).tap();
    await app.page.getByRole("dialog").getByRole("button", { name: "Forget", exact: true }).tap();
    await app.page.getByRole("heading", { name: "Pair this phone" }).waitFor();
    const left = await app.page.evaluate(`new Promise((resolve) => {
      const opening = indexedDB.open("tagpost phone /");
      opening.onsuccess = async () => {
        const names = [...opening.result.objectStoreNames];
        const stores = opening.result.transaction(names);
        const counts = names.map((name) => new Promise((resolve) => {
          const counting = stores.objectStore(name).count();
          counting.onsuccess = () => resolve(counting.result);
        }));
        resolve(await Promise.all(counts));
      };
    })`);
    expect(left).toEqual([0, 0, 0]);
    await app.page.locator("#announcer").getByText("This phone is not paired").waitFor({ state: "attached" });
    expect(await app.page.getByText("Dinner is ready").count()).toBe(0);
  });
});
