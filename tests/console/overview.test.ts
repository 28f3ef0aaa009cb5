// The overview: how much there is, what failed in the last day, and sending it again.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { violations } from "./axe.ts";
import { describeInBrowser, operator, panel, route, shows, useChromium } from "./browser.ts";

const relay = useRelay({ vars: { PUBLISH_RATE: 10_000, PUBLISH_BURST: 10_000 } });
const browser = useChromium();

/** Sends messages that fail, and waits until the directory has them. */
async function fail(sender: Device, receiver: Device, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const batch = Array.from({ length: Math.min(50, count - ids.length) }, async () => {
      const answer = await sender.publish({ device: receiver.name }, "now or never", { ttl: 0, wait: 0 });
      // It is settled at once, or soon, if the sender's mailbox is busy.
      return answer.is(answer.status === 202 ? 202 : 200).id as string;
    });
    ids.push(...(await Promise.all(batch)));
  }
  const listed = async () => {
    const path = `/v1/failures?sender=${sender.name}&limit=1000`;
    return (await relay.admin("GET", path)).is(200).failures.length;
  };
  await expect.poll(listed, { timeout: 30_000 }).toBe(count);
  return ids;
}

const failures = (page: Page) => panel(page, "Failures of the last day");

describeInBrowser("the overview", () => {
  test("shows what failed, with its reason, and leads to the message and its device", async () => {
    const [sender, receiver, rude] = await relay.devices(3);
    const [expired] = await fail(sender!, receiver!, 1);
    const socket = await rude!.connect();
    const rejected = await sender!.send({ device: rude!.name }, "x");
    await socket.next("message");
    (await rude!.nack(rejected, { reason: "not today" })).is(204);
    const listed = async () => (await relay.admin("GET", `/v1/failures?sender=${sender!.name}`)).is(200).failures.length;
    await expect.poll(listed, { timeout: 30_000 }).toBe(2);
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    const entry = (device: Device) => failures(page).getByRole("listitem").filter({ hasText: device.name });
    await shows(entry(receiver!).getByText("expired", { exact: true }));
    await shows(entry(rude!).getByText(/not today/));
    await shows(page.getByText(/^\d+ failures?; the most, \d+, in the hour from/));
    await failures(page).getByLabel("State", { exact: true }).selectOption("rejected");
    await entry(receiver!).waitFor({ state: "detached" });
    await shows(entry(rude!));
    await failures(page).getByLabel("State", { exact: true }).selectOption("");
    await entry(receiver!).getByRole("link", { name: new RegExp(`^Message to ${receiver!.name}`) }).click();
    await shows(page.getByRole("heading", { level: 1, name: "Message" }));
    expect(page.url()).toBe(route(relay.url, "messages", expired!));
    expect(complaints).toEqual([]);
  });

  test("shows what was chosen last, whichever answer comes last", async () => {
    const [sender, receiver, rude] = await relay.devices(3);
    await fail(sender!, receiver!, 1);
    const socket = await rude!.connect();
    const rejected = await sender!.send({ device: rude!.name }, "x");
    await socket.next("message");
    (await rude!.nack(rejected)).is(204);
    const listed = async () => (await relay.admin("GET", `/v1/failures?sender=${sender!.name}`)).is(200).failures.length;
    await expect.poll(listed, { timeout: 30_000 }).toBe(2);
    const { page } = await browser.tab();
    await operator(page, relay);
    const entries = (device: Device) => failures(page).getByRole("listitem").filter({ hasText: device.name });
    await shows(entries(receiver!));
    const held = Promise.withResolvers<void>();
    await page.route(/\/v1\/failures\?.*state=expired/, (request) => held.promise.then(() => request.continue()));
    const late = page.waitForResponse(/state=expired/);
    await failures(page).getByLabel("State", { exact: true }).selectOption("expired");
    await failures(page).getByLabel("State", { exact: true }).selectOption("rejected");
    await entries(receiver!).waitFor({ state: "detached" });
    held.resolve();
    await (await late).finished();
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    expect([await entries(rude!).count(), await entries(receiver!).count()]).toEqual([1, 0]);
  });

  test("sends one again from the list", async () => {
    const [sender, rude] = await relay.devices(2);
    const socket = await rude!.connect();
    const id = await sender!.send({ device: rude!.name }, "please");
    await socket.next("message");
    (await rude!.nack(id)).is(204);
    const listed = async () => (await relay.admin("GET", `/v1/failures?sender=${sender!.name}`)).is(200).failures.length;
    await expect.poll(listed, { timeout: 30_000 }).toBe(1);
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    await page.getByRole("button", { name: `Resend to ${rude!.name}` }).click();
    const again = await socket.next("message");
    expect(again.payload).toBe("please");
    const entry = failures(page).getByRole("listitem").filter({ hasText: rude!.name });
    expect(await entry.getByRole("link", { name: "Resent" }).getAttribute("href")).toBe(`#/messages/${again.id}`);
    expect(complaints).toEqual([]);
  });

  test("of 1,000 failures shows some at first and more on demand, and axe finds nothing", { timeout: 180_000 }, async () => {
    const [sender, receiver] = await relay.devices(2);
    await fail(sender!, receiver!, 1000);
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await browser.tab({ colorScheme, reducedMotion: "reduce" });
      await operator(page, relay);
      await shows(failures(page).getByRole("listitem"), 20);
      expect(await violations(page)).toEqual([]);
      await failures(page).getByRole("button", { name: "Show more" }).click();
      await shows(failures(page).getByRole("listitem"), 120);
      expect(complaints).toEqual([]);
    }
  });
});
