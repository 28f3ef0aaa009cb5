// Failures are found by what they have in common, come up by themselves, and are sent again together.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import { useRelay, type Device, type Socket } from "../harness/index.ts";
import { describeInBrowser, hide, operator, panel, route, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const failures = (page: Page) => panel(page, "Failures of the last day");
const entries = (page: Page, device: Device) => failures(page).getByRole("listitem").filter({ hasText: device.name });
const filter = (page: Page, name: string) => failures(page).getByRole("search").getByLabel(name, { exact: true });

/** Sends a message that its receiver rejects. */
async function reject(sender: Device, receiver: Device, socket: Socket, payload: unknown = "please"): Promise<string> {
  const id = await sender.send({ device: receiver.name }, payload);
  await socket.next((frame) => frame.type === "message" && frame.id === id);
  socket.nack(id, "busy");
  await sender.settled(id);
  return id;
}

/** Waits until the directory lists so many failures of this sender. */
async function listed(sender: Device, count: number): Promise<void> {
  const found = async () => (await relay.admin("GET", `/v1/failures?sender=${sender.name}&limit=1000`)).is(200).failures.length;
  await expect.poll(found, { timeout: 30_000 }).toBe(count);
}

/** How many messages came over a connection, once what was sent to it after them is there, too. */
async function received(socket: Socket, sender: Device, device: Device): Promise<number> {
  const last = await sender.send({ device: device.name }, "last");
  await socket.next((frame) => frame.type === "message" && frame.id === last);
  return socket.seen.filter(({ type }) => type === "message").length - 1;
}

/** Loads the page's lists anew, and waits until the rows are others. */
async function refresh(page: Page): Promise<void> {
  const row = await failures(page).getByRole("listitem").first().elementHandle();
  await page.getByRole("button", { name: "Refresh" }).click();
  await row!.waitForElementState("hidden");
}

async function choose(page: Page, count: number): Promise<Locator> {
  await failures(page).getByRole("button", { name: `Resend ${count}`, exact: true }).click();
  return page.getByRole("dialog", { name: count === 1 ? "Resend 1 message?" : `Resend ${count} messages?` });
}

describeInBrowser("failures", () => {
  test("are filtered by state, tag, device and sender, and a link holds the filter", async () => {
    const [sender, other, device, rude] = await relay.devices(4);
    const tag = await relay.tag(device!);
    await sender!.publish({ tag }, "x", { ttl: 0, wait: 0 });
    await other!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 });
    await reject(sender!, rude!, await rude!.connect());
    await listed(sender!, 2);
    await listed(other!, 1);
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    await shows(entries(page, device!), 2);
    const cases: [string, string, number, number][] = [
      ["Sender", sender!.name, 1, 1], ["Device", device!.name, 1, 0], ["Tag", tag, 1, 0],
    ];
    for (const [name, value, ofDevice, ofRude] of cases) {
      await filter(page, name).fill(value);
      await filter(page, name).press("Enter");
      await expect.poll(() => failures(page).getByRole("listitem").count(), { timeout: 10_000 }).toBe(ofDevice + ofRude);
      expect([await entries(page, device!).count(), await entries(page, rude!).count()], name).toEqual([ofDevice, ofRude]);
    }
    expect(page.url()).toBe(`${route(relay.url)}?tag=${tag}&device=${device!.name}&sender=${sender!.name}`);
    await filter(page, "State").selectOption("rejected");
    await shows(failures(page).getByText("No failures match the filter."));
    await failures(page).getByRole("button", { name: "Clear" }).click();
    await shows(entries(page, device!), 2);
    expect(page.url()).toBe(route(relay.url));

    const link = `${route(relay.url)}?state=rejected&sender=${sender!.name}`;
    const { page: second, complaints: others } = await browser.tab();
    await operator(second, relay);
    await second.goto(link);
    await shows(failures(second).getByRole("listitem"));
    await shows(entries(second, rude!));
    expect(await filter(second, "State").inputValue()).toBe("rejected");
    await entries(second, rude!).getByRole("link", { name: rude!.name, exact: true }).click();
    await shows(second.getByRole("heading", { level: 1, name: rude!.name }));
    await second.goBack();
    await shows(failures(second).getByRole("listitem"));
    expect(second.url()).toBe(link);
    expect([...complaints, ...others]).toEqual([]);
  });

  test("a filter that the service refuses is said to be wrong", async () => {
    const { page } = await browser.tab();
    await operator(page, relay);
    await filter(page, "Device").fill("no good");
    await filter(page, "Device").press("Enter");
    await shows(failures(page).getByRole("alert").getByText(/device must match/));
  });

  test("several are sent again with one button, each message once, and each line says what became of it", async () => {
    const [sender, one, two, gone] = await relay.devices(4);
    const tag = await relay.tag(one!, two!);
    const [first, second, third] = [await one!.connect(), await two!.connect(), await gone!.connect()];
    await reject(sender!, one!, first, "alone");
    await reject(sender!, gone!, third);
    const both = await sender!.send({ tag }, "both");
    for (const socket of [first, second]) {
      await socket.next((frame) => frame.type === "message" && frame.id === both);
      socket.nack(both);
    }
    await sender!.settled(both);
    await listed(sender!, 4);
    // What it rejected is deleted with it.
    (await relay.admin("DELETE", `/v1/devices/${gone!.name}`)).is(204);
    const before = [first, second].map((socket) => socket.seen.filter(({ type }) => type === "message").length);

    const { page } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"), 4);
    await failures(page).getByLabel("Select all").check();
    await shows(failures(page).getByText("3 messages selected"));
    const dialog = await choose(page, 3);
    await shows(dialog.getByText(/to the 4 devices where it failed/));
    await dialog.getByRole("button", { name: "Resend 3 messages" }).click();
    await shows(failures(page).getByText("2 of 3 resent, 1 failed"));
    await shows(entries(page, one!).getByRole("link", { name: "Resent" }), 2);
    await shows(entries(page, two!).getByRole("link", { name: "Resent" }));
    await shows(entries(page, gone!).getByRole("alert").filter({ hasText: /\w/ }));
    expect(await entries(page, gone!).getByRole("checkbox").isChecked(), "what failed stays selected").toBe(true);
    expect(await entries(page, one!).getByRole("checkbox").first().isDisabled()).toBe(true);
    const after = [await received(first, sender!, one!), await received(second, sender!, two!)];
    expect(after).toEqual([before[0]! + 2, before[1]! + 1]);
    const again = await entries(page, two!).getByRole("link", { name: "Resent" }).getAttribute("href");
    expect((await sender!.trace(again!.split("/").pop()!)).is(200)).toMatchObject({ resend_of: both, summary: { sent: 2 } });
  });

  test("one whose answer was lost is sent again without a second message", async () => {
    const [sender, device] = await relay.devices(2);
    const socket = await device!.connect();
    await reject(sender!, device!, socket);
    await listed(sender!, 1);
    const { page } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    let lost = 0;
    await page.route("**/resend", async (route) => {
      await route.fetch();
      lost += 1;
      await route.abort();
    }, { times: 1 });
    await entries(page, device!).getByRole("checkbox").check();
    await (await choose(page, 1)).getByRole("button", { name: "Resend 1 message" }).click();
    await shows(entries(page, device!).getByText("The service does not answer"));
    expect(lost).toBe(1);
    await (await choose(page, 1)).getByRole("button", { name: "Resend 1 message" }).click();
    await shows(failures(page).getByText("1 of 1 resent"));
    expect(await received(socket, sender!, device!)).toBe(2);
  });

  test("after a reload, too, only the request without an answer is repeated, to all its devices", async () => {
    const [sender, one, two] = await relay.devices(3);
    const tag = await relay.tag(one!, two!);
    const sockets = [await one!.connect(), await two!.connect()];
    const both = await sender!.send({ tag }, "both");
    for (const socket of sockets) {
      await socket.next((frame) => frame.type === "message" && frame.id === both);
      socket.nack(both);
    }
    await sender!.settled(both);
    await listed(sender!, 2);
    const { page } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"), 2);
    await page.route("**/resend", async (route) => {
      await route.fetch();
      await route.fulfill({ status: 503, body: JSON.stringify({ code: "unavailable", title: "Something failed inside" }) });
    }, { times: 1 });
    await failures(page).getByLabel("Select all").check();
    await (await choose(page, 1)).getByRole("button", { name: "Resend 1 message" }).click();
    await shows(failures(page).getByText("Something failed inside"), 2);
    // The list does not say yet that it was sent.
    await page.route(/\/v1\/failures/, async (route) => {
      const response = await route.fetch();
      const { failures, ...rest } = await response.json();
      await route.fulfill({ response, json: { ...rest, failures: failures.map(({ resent_as, ...failure }: { resent_as: string }) => failure) } });
    });
    await refresh(page);
    await shows(failures(page).getByRole("checkbox", { name: /^Select the message/, checked: false }), 2);
    await shows(failures(page).getByText("Something failed inside"), 2);
    await entries(page, one!).getByRole("button", { name: `Resend to ${one!.name}` }).click();
    await shows(failures(page).getByRole("link", { name: "Resent" }), 2);
    expect([await received(sockets[0]!, sender!, one!), await received(sockets[1]!, sender!, two!)]).toEqual([2, 2]);
  });

  test("one that is being sent is not selected, and not sent a second time, after a reload neither", async () => {
    const [sender, device, other] = await relay.devices(3);
    const socket = await device!.connect();
    await reject(sender!, device!, socket);
    await reject(sender!, other!, await other!.connect());
    await listed(sender!, 2);
    const { page } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"), 2);
    const held = Promise.withResolvers<void>();
    await page.route("**/resend", (request) => held.promise.then(() => request.continue()), { times: 1 });
    const resend = entries(page, device!).getByRole("button", { name: `Resend to ${device!.name}` });
    await entries(page, device!).getByRole("checkbox").check();
    await resend.click();
    const isBusy = async () => [await entries(page, device!).getByRole("checkbox").isDisabled(), await resend.isDisabled()];
    await failures(page).getByLabel("Select all").check();
    await shows(failures(page).getByText("1 message selected"));
    expect(await isBusy()).toEqual([true, true]);
    await refresh(page);
    await shows(failures(page).getByRole("listitem"), 2);
    expect(await isBusy()).toEqual([true, true]);
    held.resolve();
    await shows(entries(page, device!).getByRole("link", { name: "Resent" }));
    expect(await received(socket, sender!, device!)).toBe(2);
  });

  test("one that the service wants later is sent again then", async () => {
    const [sender, device] = await relay.devices(2);
    const socket = await device!.connect();
    await reject(sender!, device!, socket);
    await listed(sender!, 1);
    const { page } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    const body = JSON.stringify({ code: "too_many_requests", title: "Too many", status: 429 });
    await page.route("**/resend", (route) => route.fulfill({ status: 429, headers: { "Retry-After": "1" }, body }), { times: 2 });
    await entries(page, device!).getByRole("button", { name: `Resend to ${device!.name}` }).click();
    await shows(entries(page, device!).getByRole("link", { name: "Resent" }));
    expect(await received(socket, sender!, device!)).toBe(2);
  });

  test("no more than 100 messages are selected at once, those that were asked for meanwhile included", { timeout: 120_000 }, async () => {
    const [sender, device] = await relay.devices(2);
    for (let n = 0; n < 130; n++) await sender!.publish({ device: device!.name }, "now or never", { ttl: 0, wait: 0 });
    await listed(sender!, 130);
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"), 20);
    await failures(page).getByLabel("Select all").check();
    await shows(failures(page).getByText("The first 100 messages are selected"));
    expect(await failures(page).getByRole("checkbox", { name: /^Select the message/, checked: true }).count()).toBe(100);
    await failures(page).getByRole("checkbox", { name: /^Select the message/, checked: false }).first().click();
    await shows(failures(page).getByText("At most 100 messages at once"));
    expect(await failures(page).getByRole("checkbox", { name: /^Select the message/, checked: true }).count()).toBe(100);
    const dialog = await choose(page, 100);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    expect(await failures(page).getByRole("link", { name: "Resent" }).count()).toBe(0);
    await failures(page).getByLabel("Select all").click();
    await failures(page).getByLabel("Select all").click();
    expect(await failures(page).getByRole("checkbox", { checked: true }).count(), "and none").toBe(0);
    expect(complaints).toEqual([]);
  });

  test("that are recorded while the page is open come up by themselves, and only where they belong", async () => {
    const [sender, device, late] = await relay.devices(3);
    await sender!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 });
    await listed(sender!, 1);
    const { page, complaints, requests } = await browser.tab();
    await page.clock.install();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"));
    await shows(failures(page).getByText("Live", { exact: true }));
    const [other] = await relay.devices(1);
    await other!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 });
    await sender!.publish({ device: late!.name }, "x", { ttl: 0, wait: 0 });
    await listed(other!, 1);
    await listed(sender!, 2);
    const total = page.locator(".tile").filter({ hasText: "Failures, 24 h" });
    const before = await total.innerText();
    await page.clock.runFor("00:16");
    await shows(failures(page).getByRole("listitem"), 2);
    await shows(failures(page).getByRole("listitem").first().getByText(late!.name));
    await expect.poll(() => total.innerText(), { timeout: 10_000 }).not.toBe(before);

    // Nothing is asked while nobody can see the page.
    await hide(page, true);
    const asked = () => requests.filter((url) => url.includes("/v1/failures")).length;
    const then = asked();
    await page.clock.runFor("10:00");
    expect(asked()).toBe(then);
    await hide(page, false);
    await page.clock.runFor("00:01");
    await expect.poll(asked, { timeout: 10_000 }).toBe(then + 1);
    expect(complaints).toEqual([]);
  });
});

describeInBrowser("failures that come up by themselves", () => {
  test("are listed anew if more came than one look shows", { timeout: 120_000 }, async () => {
    const [sender, device] = await relay.devices(2);
    const fail = async () => (await sender!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 })).is(200).id;
    const first = await fail();
    await listed(sender!, 1);
    const { page } = await browser.tab();
    await page.clock.install();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    await shows(failures(page).getByRole("listitem"));
    // So that one look finds them all.
    await hide(page, true);
    for (let n = 0; n < 120; n++) await fail();
    await listed(sender!, 121);
    await hide(page, false);
    await page.clock.runFor("00:16");
    await shows(failures(page).getByRole("listitem"), 20);
    await failures(page).getByRole("button", { name: "Show more" }).click();
    await shows(failures(page).getByRole("listitem"), 120);
    await failures(page).getByRole("button", { name: "Show more" }).click();
    await shows(failures(page).getByRole("listitem"), 121);
    expect(await failures(page).getByRole("listitem").last().locator(`a[href$="${first}"]`).count()).toBe(1);
  });

  test("do so again after a refresh that failed", async () => {
    const [sender, device] = await relay.devices(2);
    await sender!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 });
    await listed(sender!, 1);
    const { page } = await browser.tab();
    await page.clock.install();
    await operator(page, relay);
    await page.goto(`${route(relay.url)}?sender=${sender!.name}`);
    const live = failures(page).getByText("Live", { exact: true });
    await shows(live);
    await page.route(/\/v1\/failures/, (route) => route.abort(), { times: 1 });
    await page.getByRole("button", { name: "Refresh" }).click();
    await shows(failures(page).getByText("Not live"));
    await sender!.publish({ device: device!.name }, "x", { ttl: 0, wait: 0 });
    await listed(sender!, 2);
    await page.clock.runFor("00:16");
    await shows(live);
    await shows(failures(page).getByRole("listitem"), 2);
  });
});

describeInBrowser("the messages that wait longest", () => {
  const oldest = (page: Page) => panel(page, "Oldest held messages");

  test("are found by asking each device, on demand, the oldest first", async () => {
    const [sender, first, second] = await relay.devices(3);
    await sender!.send({ device: first!.name }, "x");
    await sender!.send({ device: second!.name }, "x");
    await sender!.send({ device: second!.name }, "x");
    const { page, requests, complaints } = await browser.tab();
    await operator(page, relay);
    const asked = () => requests.filter((url) => /\/v1\/devices\/[^/?]+$/.test(url));
    expect(asked()).toEqual([]);
    await oldest(page).getByRole("button", { name: "Ask all devices" }).click();
    const rows = oldest(page).getByRole("listitem");
    await shows(rows.filter({ hasText: first!.name }).getByText("1 waiting"));
    await shows(rows.filter({ hasText: second!.name }).getByText("2 waiting"));
    await shows(oldest(page).getByText(/^\d+ devices asked, \d+ messages waiting for \d+ devices$/));
    const order = (await rows.allInnerTexts()).map((text) => [first!, second!].findIndex(({ name }) => text.includes(name))).filter((at) => at >= 0);
    expect(order).toEqual([0, 1]);
    const { devices } = (await relay.admin("GET", "/v1/devices?limit=1000")).is(200);
    expect(asked().length, "each is asked once").toBe(devices.length);
    await rows.getByRole("link", { name: second!.name }).click();
    await shows(page.getByRole("heading", { level: 1, name: second!.name }));
    expect(complaints).toEqual([]);
  });

  test("a device that does not answer is counted, and a key that is refused ends the search", async () => {
    const [sender, device, silent] = await relay.devices(3);
    await sender!.send({ device: device!.name }, "x");
    const { page } = await browser.tab();
    await operator(page, relay);
    await page.route(new RegExp(`/v1/devices/${silent!.name}$`), (route) => route.abort());
    await oldest(page).getByRole("button", { name: "Ask all devices" }).click();
    await shows(oldest(page).getByText(/^(\d+) devices asked, 1 did not answer, \d+ messages? waiting/));
    await shows(oldest(page).getByRole("listitem").filter({ hasText: device!.name }));

    await page.route(/\/v1\/devices\/[^/?]+$/, (route) => route.fulfill({ status: 401, json: { code: "unauthorized", title: "The key is not valid" } }));
    await oldest(page).getByRole("button", { name: "Ask again" }).click();
    await shows(oldest(page).getByRole("alert").getByText("The key is not valid"));
  });

  test("the search can be stopped, and says how many were asked", async () => {
    await relay.devices(20);
    const { page, requests } = await browser.tab();
    await operator(page, relay);
    const held = Promise.withResolvers<void>();
    await page.route(/\/v1\/devices\/[^/?]+$/, (request) => held.promise.then(() => request.continue()));
    await oldest(page).getByRole("button", { name: "Ask all devices" }).click();
    const asked = () => requests.filter((url) => /\/v1\/devices\/[^/?]+$/.test(url)).length;
    await expect.poll(asked, { timeout: 10_000 }).toBe(6);
    await oldest(page).getByRole("button", { name: "Stop" }).click();
    held.resolve();
    await shows(oldest(page).getByText(/^6 of \d+ devices asked/));
    await oldest(page).getByRole("button", { name: "Ask again" }).waitFor();
    expect(asked()).toBe(6);
  });
});
