// The whole way in an unmodified Firefox, with tagpost itself as its push service: pair, subscribe, publish, knock, and
// the service worker that fetches while no page is open, until the sender has the reply of the action that was tapped.

import { randomBytes } from "node:crypto";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Firefox, describeInFirefox } from "../firefox/browser.ts";
import { pushUrl } from "../harness/agent.ts";
import { until, type Device } from "../harness/index.ts";
import { RelayProcess } from "../harness/process.ts";
import { pairingCode } from "./app.ts";

const relay = new RelayProcess({ PUSH_KEY: "a key for tests that is long enough", VAPID_KEY: randomBytes(32).toString("base64url") });

const QUESTION = {
  title: "Someone is at the door",
  actions: [{ id: "open", title: "Open", reply: { door: "front" } }, { id: "wait", title: "One moment" }],
};

describeInFirefox("a phone in Firefox", () => {
  const firefox = new Firefox();
  let phone: Device;
  let doorbell: Device;

  beforeAll(async () => {
    await relay.start();
    [phone, doorbell] = (await relay.devices(2)) as [Device, Device];
    await firefox.start(await pushUrl(await relay.device("firefox")));
  }, 120_000);

  afterAll(async () => {
    await firefox.stop();
    await relay.stop();
  }, 30_000);

  const title = () => firefox.run("return document.querySelector('h1').textContent;");
  const wakes = async () => (await phone.request("GET", `/v1/devices/${phone.name}/wake`)).is(200).wake;
  const stateOf = async (id: string) => (await doorbell.trace(id)).is(200).deliveries[0].state;

  test("a link makes it a device, which subscribes by itself", async () => {
    await firefox.navigate(`${relay.url.origin}/phone#${await pairingCode(relay, phone)}`);
    await until("the device's name", title, (name) => name === phone.name);
    const [wake] = await until("a subscription", wakes, (all) => all.length === 1);
    expect(wake).toMatchObject({ label: "Firefox on Linux", host: relay.url.host });
  });

  test("with the page closed a knock brings the question, and the tapped action is the reply", async () => {
    await firefox.navigate("about:blank");
    await phone.offline();
    const socket = await doorbell.connect();
    const id = await doorbell.send({ device: phone.name }, QUESTION);
    await until("the notification", () => firefox.notifications(), (all) => all.includes(QUESTION.title), 30_000);
    await until("it to be in progress", () => stateOf(id), (state) => state === "in_progress");
    await firefox.tap(QUESTION.title, "open");
    expect(await socket.next("receipt")).toMatchObject({ id, device: phone.name, state: "delivered", reply: { door: "front" } });
    await socket.close();
  });

  test("a message without a question is shown and acknowledged", async () => {
    const id = await doorbell.send({ device: phone.name }, { title: "Dinner is ready" });
    await until("the notification", () => firefox.notifications(), (all) => all.includes("Dinner is ready"), 30_000);
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
  });

  test("a phone that is forgotten is woken no more", async () => {
    await firefox.navigate(`${relay.url.origin}/phone/`);
    await until("the device's name", title, (name) => name === phone.name);
    const press = (name: string) => firefox.run(`Array.from(document.querySelectorAll("button")).findLast(({ textContent }) => textContent === arguments[0]).click();`, name);
    await press("Forget this phone");
    await press("Forget");
    await until("the subscription to be gone", wakes, (all) => all.length === 0);
    await until("the name to be gone", title, (name) => name === "tagpost");
  });
});
