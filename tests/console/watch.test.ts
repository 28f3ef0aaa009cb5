// The page of a device follows what happens there, without asking again, and without disturbing it.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, hide, operator, panel, route, shows, useChromium, type Tab } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const live = (page: Page) => panel(page, "Live");
const queue = (page: Page) => panel(page, "Queue");
const status = (page: Page) => panel(page, "Status");
const connected = (page: Page) => live(page).getByText("Connected", { exact: true });
const watches = ({ requests }: Tab) => requests.filter((url) => url.startsWith("ws:") && url.endsWith("/watch")).length;

describeInBrowser("watching a device", () => {
  test("shows each step of a delivery, the queue and the presence, and asks for nothing", async () => {
    const [sender, device] = await relay.devices(2);
    const tag = await relay.tag(device!);
    const waiting = await sender!.send({ device: device!.name }, "waits", { urgency: "low" });
    const tab = await browser.tab();
    const { page, requests, complaints } = tab;
    await operator(page, relay, "devices", device!.name);
    await shows(queue(page).getByRole("listitem"));
    await shows(connected(page));
    const before = requests.length;

    const id = await sender!.send({ tag }, "ring");
    const steps = live(page).getByRole("listitem");
    await shows(steps.filter({ hasText: `from ${sender!.name} to ${tag}` }).getByText("held", { exact: true }));
    // The more urgent stands first.
    await shows(queue(page).getByRole("listitem"), 2);
    await shows(queue(page).getByRole("listitem").first().getByText(`to ${tag}`));
    await shows(status(page).getByText("2 held, 0 in flight, 0 in progress"));

    const socket = await device!.connect();
    await shows(page.locator(".title-line").getByText("online", { exact: true }));
    for (const one of await socket.messages(2)) if (one.id === id) socket.progress(one.id, { note: "looking" });
    await shows(queue(page).getByText("in progress"));
    await shows(steps.getByText("looking"));
    await shows(status(page).getByText("0 held, 1 in flight, 1 in progress"));
    socket.ack(id, { opened: true });
    await shows(steps.filter({ hasText: `to ${tag}` }).getByText('reply {"opened":true}'));
    await expect.poll(() => queue(page).getByRole("listitem").count(), { timeout: 10_000 }).toBe(1);
    socket.nack(waiting, "busy");
    await shows(steps.first().getByText("rejected"));
    await shows(steps.first().getByText("busy"));
    await shows(queue(page).getByText(`Nothing waits for ${device!.name}.`));
    await shows(status(page).getByText("0 held, 0 in flight, 0 in progress"));
    socket.terminate();
    await shows(steps.getByText("Its connection has ended"));
    await shows(page.locator(".title-line").getByText("offline", { exact: true }));

    expect(requests.slice(before)).toEqual([]);
    expect(watches(tab)).toBe(1);
    await steps.getByRole("link", { name: `from ${sender!.name} to ${tag}` }).first().click();
    await shows(page.getByRole("heading", { level: 1, name: "Message" }));
    expect(page.url().endsWith(id)).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("a message that is delivered at once is told, and leaves nothing in the queue", async () => {
    const [sender, device] = await relay.devices(2);
    (await device!.connect()).answer(() => "yes");
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await shows(queue(page).getByText(`Nothing waits for ${device!.name}.`));
    for (let n = 0; n < 5; n++) await sender!.settled(await sender!.send({ device: device!.name }, n));
    const steps = live(page).getByRole("listitem");
    await shows(steps.getByText("sent", { exact: true }), 5);
    await shows(steps.getByText("delivered", { exact: true }), 5);
    await shows(status(page).getByText("0 held, 0 in flight, 0 in progress"));
    expect(await steps.locator(".badge").allInnerTexts()).toEqual(Array(5).fill(["delivered", "sent"]).flat());
    await shows(queue(page).getByText(`Nothing waits for ${device!.name}.`));
    expect(complaints).toEqual([]);
  });

  test("when all that was listed has left, the next page comes by itself, and at last there is nothing", async () => {
    const [sender, device] = await relay.devices(2);
    for (let n = 0; n < 7; n++) await sender!.send({ device: device!.name }, n);
    const { page, requests, complaints } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await shows(queue(page).getByRole("listitem"), 5);
    const lists = () => requests.filter((url) => url.includes("/inbox?")).length;
    const before = lists();
    const messages = await device!.inbox();
    for (const { id } of messages.slice(0, 5)) await device!.ack(id);
    await expect.poll(() => queue(page).getByRole("listitem").count(), { timeout: 10_000 }).toBe(2);
    for (const { id } of messages.slice(5)) await device!.ack(id);
    await shows(queue(page).getByText(`Nothing waits for ${device!.name}.`));
    expect(lists()).toBe(before + 1);
    expect(complaints).toEqual([]);
  });

  test("an answer that comes after that to a later question is not shown", async () => {
    const [sender, device] = await relay.devices(2);
    for (const text of ["x", "y"]) await sender!.send({ device: device!.name }, text);
    const { page } = await browser.tab();
    const late = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    await page.route(/\/inbox\?/, async (route) => {
      const response = await route.fetch();
      await late.promise;
      await route.fulfill({ response });
      answered.resolve();
    }, { times: 1 });
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await page.getByRole("button", { name: "Refresh" }).click();
    await shows(queue(page).getByRole("listitem"), 2);
    late.resolve();
    await answered.promise;
    await device!.ack((await device!.inbox())[0]!.id);
    await expect.poll(() => queue(page).getByRole("listitem").count(), { timeout: 10_000 }).toBe(1);
  });

  test("a message that is worked on at once is in the queue", async () => {
    const [sender, device] = await relay.devices(2);
    const socket = await device!.connect();
    const { page } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await shows(queue(page).getByText(`Nothing waits for ${device!.name}.`));
    const id = await sender!.send({ device: device!.name }, "x");
    await socket.next("message");
    socket.progress(id);
    await shows(queue(page).getByRole("listitem").getByText("in progress"));
    await shows(status(page).getByText("0 held, 0 in flight, 1 in progress"));
  });

  test("the list of steps is bounded, and can be held", async () => {
    const [sender, device] = await relay.devices(2);
    (await device!.connect()).answer();
    const { page } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    const steps = live(page).getByRole("listitem");
    await sender!.settled(await sender!.send({ device: device!.name }, "first"));
    const newest = steps.first().getByText("delivered", { exact: true });
    await shows(newest);
    await live(page).getByRole("button", { name: "Pause" }).click();
    const before = await steps.count();
    for (let n = 0; n < 60; n++) await sender!.settled(await sender!.send({ device: device!.name }, n));
    expect(await steps.count()).toBe(before);
    await live(page).getByRole("button", { name: "Continue" }).click();
    // Each message has two steps, and on a slow machine three: at first it is held.
    await shows(steps, 100);
    await shows(newest);
  });

  test("ends a minute after nobody can see the page, and with the page; then what was missed is there", async () => {
    const [sender, device] = await relay.devices(2);
    const tab = await browser.tab();
    const { page, complaints } = tab;
    await page.clock.install();
    const closed: string[] = [];
    page.on("websocket", (socket) => socket.on("close", () => closed.push(socket.url())));
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await hide(page, true);
    await page.clock.runFor("00:50");
    expect(closed).toEqual([]);
    await hide(page, false);
    await page.clock.runFor("00:50");
    expect([closed.length, watches(tab)], "it was hidden for less than a minute").toEqual([0, 1]);
    await hide(page, true);
    await page.clock.runFor("01:01");
    await shows(live(page).getByText("Disconnected"));
    await sender!.send({ device: device!.name }, "missed");
    await hide(page, false);
    await shows(connected(page));
    await shows(queue(page).getByText(`from ${sender!.name}`));
    await shows(status(page).getByText("1 held, 0 in flight, 0 in progress, 8 bytes"));
    await shows(status(page).getByText(/^waiting for/));
    expect(watches(tab)).toBe(2);
    await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
    await page.getByLabel("Find a message by its id").waitFor();
    await page.clock.runFor("10:00");
    expect(watches(tab)).toBe(2);
    expect(complaints).toEqual([]);
  });

  test("a page that is opened in a hidden tab shows the queue, and watches once it is visible", async () => {
    const [sender, device] = await relay.devices(2);
    await sender!.send({ device: device!.name }, "x");
    const tab = await browser.tab();
    const { page, complaints } = tab;
    await operator(page, relay);
    await hide(page, true);
    await page.goto(route(relay.url, "devices", device!.name));
    await shows(queue(page).getByRole("listitem"));
    expect(watches(tab)).toBe(0);
    await hide(page, false);
    await shows(connected(page));
    expect(watches(tab)).toBe(1);
    expect(complaints).toEqual([]);
  });

  test("a watch that ends is begun again, and shows what happened in between", async () => {
    const [sender, device] = await relay.devices(2);
    const { page } = await browser.tab();
    const cuts: (() => Promise<void>)[] = [];
    await page.routeWebSocket(/\/watch$/, (socket) => {
      socket.connectToServer();
      cuts.push(() => socket.close({ code: 4408, reason: "watched for long" }));
    });
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await sender!.send({ device: device!.name }, "x");
    await shows(queue(page).getByRole("listitem"));
    await device!.ack((await device!.inbox())[0]!.id);
    await queue(page).getByText(`Nothing waits for ${device!.name}.`).waitFor();
    await cuts[0]!();
    await shows(live(page).getByText(/^(Connecting…|Disconnected)$/));
    await sender!.send({ device: device!.name }, "y");
    await shows(connected(page));
    expect(cuts.length).toBe(2);
    await shows(queue(page).getByRole("listitem"));
  });

  test("one that five others have pushed out says so, and connects again only when somebody asks or looks", async () => {
    const device = await relay.device();
    const tab = await browser.tab();
    const { page } = tab;
    await page.clock.install();
    const cuts: (() => Promise<void>)[] = [];
    await page.routeWebSocket(/\/watch$/, (socket) => {
      socket.connectToServer();
      cuts.push(() => socket.close({ code: 4409, reason: "others watch" }));
    });
    await operator(page, relay, "devices", device.name);
    await shows(connected(page));
    const reason = live(page).getByRole("status").getByText("Five others are watching this device.");
    await cuts[0]!();
    await shows(reason);
    await page.clock.runFor("30:00");
    expect(cuts.length).toBe(1);
    await page.getByRole("button", { name: "Refresh" }).click();
    await shows(connected(page));
    expect([cuts.length, await reason.count()]).toEqual([2, 0]);
    await cuts[1]!();
    await shows(reason);
    await hide(page, true);
    await hide(page, false);
    await shows(connected(page));
    expect(cuts.length).toBe(3);
  });

  test("a device that is deleted is no longer watched, and the page says so", async () => {
    const device = await relay.device();
    const tab = await browser.tab();
    const { page } = tab;
    await operator(page, relay, "devices", device.name);
    await shows(connected(page));
    (await relay.admin("DELETE", `/v1/devices/${device.name}`)).is(204);
    await shows(page.getByRole("heading", { level: 1, name: `There is no device ${device.name}` }));
    expect(watches(tab)).toBe(1);
  });

  test("one whose credential is refused says so, below it the steps that came before", async () => {
    const [sender, device] = await relay.devices(2);
    const { page } = await browser.tab();
    let refuse = async () => {};
    await page.routeWebSocket(/\/watch$/, (socket) => {
      socket.connectToServer();
      refuse = () => socket.close({ code: 4401, reason: "token revoked" });
    });
    await operator(page, relay, "devices", device!.name);
    await shows(connected(page));
    await sender!.send({ device: device!.name }, "x");
    await shows(live(page).getByRole("listitem"));
    await refuse();
    await shows(live(page).getByRole("status").getByText("The service no longer accepts the key, or the device was deleted."));
    await shows(live(page).getByRole("listitem"));
  });

  test("an older service has no watch: the page is as it was, and does not ask again", async () => {
    const [sender, device] = await relay.devices(2);
    await sender!.send({ device: device!.name }, "x");
    const tab = await browser.tab();
    const { page, requests } = tab;
    await page.clock.install();
    let handshakes = 0;
    await page.routeWebSocket(/\/watch$/, (socket) => {
      handshakes += 1;
      void socket.close();
    });
    await page.route(/\/watch$/, (route) => route.fulfill({ status: 404, body: JSON.stringify({ code: "not_found", title: "There is nothing here" }) }));
    await operator(page, relay, "devices", device!.name);
    await shows(queue(page).getByRole("listitem"));
    expect(await live(page).isHidden()).toBe(true);
    const before = requests.length;
    await page.clock.runFor("30:00");
    expect([handshakes, requests.length]).toEqual([1, before]);
  });
});
