// The page of a message: counts first, each delivery on demand, its timeline, and what can be done about it.

import { DatabaseSync } from "node:sqlite";

import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, operator, panel, route, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const DEVICES = 1000;
/** Milliseconds in which a page of a thousand deliveries is there, on a machine that is busy with other tests. */
const SOON = 3000;

describeInBrowser("the page of a message", () => {
  test("shows each delivery of a few with its timeline and its reply", async () => {
    const [sender, here, away] = await relay.devices(3);
    const tag = await relay.tag(here!, away!);
    (await here!.connect()).answer(() => ({ opened: true }));
    const id = await sender!.send({ tag }, "ring");
    await expect.poll(async () => (await sender!.trace(id)).is(200).summary, { timeout: 10_000 }).toEqual({ delivered: 1, held: 1 });
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "messages", id);
    const deliveries = panel(page, "Deliveries");
    await shows(deliveries.getByText("1 delivered", { exact: true }));
    await shows(deliveries.getByText("1 held", { exact: true }));
    const events = deliveries.getByRole("listitem").filter({ hasText: here!.name }).locator(".event");
    expect(await events.allTextContents()).toEqual(["accepted", "sent", "delivered"]);
    await shows(deliveries.getByText('{"opened":true}'));
    await shows(page.getByRole("link", { name: tag, exact: true }));
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy id" }).click();
    await shows(page.getByRole("button", { name: "Copied" }));
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(id);
    expect(complaints).toEqual([]);
  });

  test("follows a message that was just sent until it is settled", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "ring");
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "messages", id);
    await shows(panel(page, "Deliveries").locator(".event").getByText("held"));
    (await receiver!.connect()).answer();
    await shows(panel(page, "Deliveries").locator(".event").getByText("delivered"));
    expect(await page.getByRole("button", { name: "Cancel message" }).isHidden()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test(`a message to ${DEVICES} devices shows counts at once, and its deliveries on demand`, async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const file = await relay.database(sender!.name);
    await relay.halt();
    enlarge(file);
    await relay.start();
    const { page, complaints } = await browser.tab();
    await operator(page, relay);
    const opened = performance.now();
    await page.goto(route(relay.url, "messages", id));
    const deliveries = panel(page, "Deliveries");
    await shows(deliveries.getByRole("button", { name: "990 delivered" }));
    expect(performance.now() - opened).toBeLessThan(SOON);
    await shows(deliveries.getByRole("button", { name: "10 expired" }));
    expect(await deliveries.getByText("d0007").count()).toBe(0);

    await deliveries.getByRole("button", { name: "990 delivered" }).click();
    await shows(deliveries.getByText("990 devices"));
    const rows = deliveries.getByRole("option");
    await rows.first().waitFor();
    expect(await rows.count()).toBeLessThan(40);
    await deliveries.getByRole("button", { name: "10 expired" }).click();
    await shows(rows, 10);
    await rows.filter({ hasText: "d0700" }).click();
    await shows(deliveries.locator(".delivery .event").getByText("expired"));
    await deliveries.getByRole("button", { name: "10 expired" }).click();
    expect(await rows.count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("gives the command that publishes it again, without a token", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const id = await sender!.send({ match: `${tag} & !@${sender!.name}` }, "x", { ttl: 600 });
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "messages", id);
    await page.getByRole("button", { name: "Copy as curl" }).click();
    const command = await page.getByRole("dialog").getByLabel("Command").inputValue();
    expect(command).toContain("sed 's/^/Authorization: Bearer /' TOKEN_FILE | curl -H @- ");
    expect(command).toContain(`-H 'To: ${tag} & !@${sender!.name}' -H 'TTL: 600'`);
    expect(command).toContain(`'${relay.url.origin}/v1/messages'`);
    expect(complaints).toEqual([]);
  });

  test("of several devices that are played, the one that sent it is asked", async () => {
    const [first, second, receiver] = await relay.devices(3);
    const id = await second!.send({ device: receiver!.name }, { ring: true });
    const { page } = await browser.tab();
    await page.goto(`${relay.url.origin}/#token=${first!.token}&token=${second!.token}`);
    await page.goto(route(relay.url, "messages", id));
    await shows(panel(page, "Deliveries").locator(".event").getByText("held"));
    await shows(panel(page, "Payload").getByText('{\n  "ring": true\n}'));
    await page.getByRole("button", { name: "Cancel message" }).click();
    await shows(panel(page, "Deliveries").locator(".event").getByText("cancelled"));
    expect((await second!.trace(id)).is(200).summary).toEqual({ cancelled: 1 });
  });

  test("a device whose token is no longer valid does not keep the others from being asked", async () => {
    const [first, second, receiver] = await relay.devices(3);
    const id = await second!.send({ device: receiver!.name }, "x");
    (await relay.admin("DELETE", `/v1/devices/${first!.name}/tokens`)).is(204);
    const { page } = await browser.tab();
    await page.goto(`${relay.url.origin}/#token=${first!.token}&token=${second!.token}`);
    await page.goto(route(relay.url, "messages", id));
    await shows(panel(page, "Deliveries").locator(".event").getByText("held"));
  });

  test("the sender cancels it from there", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const { page, complaints } = await browser.tab();
    await page.goto(`${relay.url.origin}/#token=${sender!.token}`);
    await page.getByRole("link", { name: `@${receiver!.name}` }).click();
    await shows(page.getByRole("heading", { level: 1, name: "Message" }));
    expect(page.url()).toBe(route(relay.url, "messages", id));
    await page.getByRole("button", { name: "Cancel message" }).click();
    await shows(panel(page, "Deliveries").locator(".event").getByText("cancelled"));
    expect((await sender!.trace(id)).is(200).summary).toEqual({ cancelled: 1 });
    expect(complaints).toEqual([]);
  });

  test("shows what the message says while a device waits for it, and that it is gone after", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, { ring: true });
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "messages", id);
    await shows(panel(page, "Payload").getByText('{\n  "ring": true\n}'));
    await page.getByRole("button", { name: "Copy as curl" }).click();
    expect(await page.getByRole("dialog").getByLabel("Command").inputValue()).toContain(`--data-binary '{"ring":true}'`);
    await page.keyboard.press("Escape");
    (await receiver!.connect()).answer();
    await sender!.settled(id);
    await page.reload();
    await shows(panel(page, "Payload").getByText("No device waits for it any more, so its payload is not kept."));
    expect(complaints).toEqual([]);
  });

  test("sends it again to the devices that it did not reach", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, { ring: true });
    await socket.next("message");
    (await receiver!.nack(id, { reason: "busy" })).is(204);
    await sender!.settled(id);
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "messages", id);
    await page.getByRole("button", { name: "Resend" }).click();
    const again = await socket.next("message");
    expect(again.id).not.toBe(id);
    await shows(page.getByRole("link", { name: id }));
    expect(page.url()).toBe(route(relay.url, "messages", again.id));
    await page.getByRole("link", { name: id }).click();
    await shows(page.getByRole("link", { name: again.id }));
    expect(complaints).toEqual([]);
  });
});

/** Makes the one message of this mailbox one to many devices, ten of which it did not reach in time. */
function enlarge(file: string): void {
  const database = new DatabaseSync(file);
  const at = Date.now();
  const names = Array.from({ length: DEVICES }, (_, n) => `d${String(n).padStart(4, "0")}`);
  const states = new Map(names.map((name, n) => [name, n % 100 === 0 ? "expired" : "delivered"]));
  const { id } = database.prepare("SELECT id FROM outbox").get()!;
  const insert = database.prepare("INSERT INTO parts (id, first, deliveries) VALUES (?, ?, ?)");
  for (let first = 0; first < DEVICES; first += 100) {
    const deliveries = names.slice(first, first + 100).map((device) => {
      const state = states.get(device)!;
      return { device, state, at, attempts: 1, steps: [{ event: state, at, attempt: 1 }], receipt: at };
    });
    insert.run(id!, names[first]!, JSON.stringify(deliveries));
  }
  const update = "UPDATE outbox SET deliveries = NULL, open = 0, states = 4, done_at = ?, receipt = ?, summary = ? WHERE id = ?";
  database.prepare(update).run(at, at, JSON.stringify({ delivered: DEVICES - 10, expired: 10 }), id!);
  database.close();
}
