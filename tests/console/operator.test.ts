// The operator's side: devices and tags are added, shown, bound, revoked and deleted by hand.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { claimsOf, fresh, useRelay } from "../harness/index.ts";
import { describeInBrowser, link, operator, panel, paneOf, route, shows, useChromium } from "./browser.ts";
import { scanned } from "./scan.ts";

const relay = useRelay();
const browser = useChromium();

const title = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });

describeInBrowser("the operator", () => {
  test("adds a device with the rights that it needs, and is shown its token once", async () => {
    const name = fresh("added");
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices");
    await page.getByRole("button", { name: "New device" }).click();
    const form = page.getByRole("dialog", { name: "New device" });
    await form.getByLabel("Name").fill(name);
    await form.getByLabel("May publish to").selectOption("only these:");
    await form.getByLabel("Patterns, separated by commas").fill("hallway, @anna");
    await form.getByLabel("May bind itself to these tags").fill("rooms.*");
    await form.getByLabel("Expires after").selectOption("1 day");
    await form.getByRole("button", { name: "Add" }).click();
    const dialog = page.getByRole("dialog", { name: `Token of ${name}` });
    const token = await dialog.getByLabel("Token", { exact: true }).inputValue();
    expect(await dialog.getByLabel("To listen with it, paste").inputValue()).toBe(
      `export TAGPOST_URL=${relay.url.origin}\nTAGPOST_TOKEN=${token} tagpost listen`,
    );
    expect(await scanned(page, dialog.getByRole("img", { name: "QR code of the token" }))).toBe(token);
    const { iat, exp, ...claims } = claimsOf(token);
    expect(claims).toMatchObject({ sub: name, publish: ["hallway", "@anna"], tags: ["rooms.*"] });
    expect(exp! - iat!).toBe(86_400);
    (await relay.bearer(name, token).status()).is(200);
    await dialog.getByRole("button", { name: "Done" }).click();
    await shows(title(page, name));
    await shows(panel(page, "Status").getByText("never", { exact: true }));
    expect(complaints).toEqual([]);
  });

  test("gets a further token of a device, which may publish nothing", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device.name);
    await page.getByRole("button", { name: "New token" }).click();
    const form = page.getByRole("dialog", { name: `New token of ${device.name}` });
    await form.getByLabel("May publish to").selectOption("nothing");
    await form.getByRole("button", { name: "Create token" }).click();
    const token = await page.getByRole("dialog", { name: `Token of ${device.name}` }).getByLabel("Token", { exact: true }).inputValue();
    expect(claimsOf(token).publish).toEqual([]);
    (await device.status()).is(200);
    expect(complaints).toEqual([]);
  });

  test("sees why a name is refused", async () => {
    const taken = await relay.device();
    const { page } = await browser.tab();
    await operator(page, relay, "devices");
    await page.getByRole("option", { name: taken.name }).waitFor();
    await page.getByRole("button", { name: "New device" }).click();
    const form = page.getByRole("dialog", { name: "New device" });
    await form.getByRole("button", { name: "Add" }).click();
    await shows(form.getByRole("alert").getByText("Enter the name of the device"));
    await form.getByLabel("Name").fill("no good");
    await form.getByRole("button", { name: "Add" }).click();
    await shows(form.getByRole("alert").getByText(/^Device must match/));
    expect(await form.getByLabel("Name").inputValue(), "it stays to be corrected").toBe("no good");
    await form.getByLabel("Name").fill(taken.name);
    await form.getByRole("button", { name: "Add" }).click();
    await shows(form.getByRole("alert").getByText(`There is a device ${taken.name} already`));
  });

  test("binds a device to a tag and unbinds it, from the device and from the tag", async () => {
    const [one, two] = await relay.devices(2);
    const tag = fresh("tag");
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", one!.name);
    await page.getByLabel(`Bind ${one!.name} to a tag`).fill(tag);
    await page.getByRole("button", { name: "Bind", exact: true }).click();
    await page.getByRole("button", { name: `Unbind ${tag}` }).waitFor();
    expect((await one!.status()).is(200).tags).toEqual([tag]);

    await page.getByRole("link", { name: tag, exact: true }).click();
    const devices = panel(page, "Devices");
    await shows(devices.getByRole("link", { name: one!.name }));
    await page.getByLabel(`Bind a device to ${tag}`).fill(two!.name);
    await page.getByRole("button", { name: "Bind", exact: true }).click();
    await shows(devices.getByRole("link", { name: two!.name }));
    await devices.getByRole("button", { name: `Unbind ${one!.name}` }).click();
    await devices.getByRole("link", { name: one!.name }).waitFor({ state: "detached" });
    expect((await relay.admin("GET", `/v1/tags/${tag}`)).is(200).devices).toEqual([{ device: two!.name }]);
    await page.getByRole("navigation").getByRole("link", { name: "Tags" }).click();
    await shows(page.getByRole("option", { name: new RegExp(`${tag}.*1 device`) }));
    expect(complaints).toEqual([]);
  });

  test("revokes tokens and deletes a device only after a question", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device.name);

    await page.getByRole("button", { name: "Revoke tokens" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    (await device.status()).is(200);
    await page.getByRole("button", { name: "Revoke tokens" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(async () => (await device.status()).status, { timeout: 10_000 }).toBe(401);

    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await shows(title(page, "Devices"));
    await shows(page.getByText(/in total$/));
    expect(await page.getByRole("option", { name: device.name }).count()).toBe(0);
    (await relay.admin("GET", `/v1/devices/${device.name}`)).problem(404, "unknown_device");
    expect(complaints).toEqual([]);
  });

  test("acts as a device, of one that is online only after ticking that it is disconnected", async () => {
    const device = await relay.device();
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device.name);
    const socket = await device.connect();
    const dialog = page.getByRole("dialog", { name: `Act as ${device.name}?` });
    await page.getByRole("button", { name: "Act as this device" }).click();
    await shows(dialog.getByText(/is online\. Acting as it disconnects the real device/));
    expect(await dialog.getByRole("button", { name: `Act as ${device.name}` }).isDisabled()).toBe(true);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await socket.ping();

    await page.getByRole("button", { name: "Act as this device" }).click();
    await dialog.getByLabel(`Disconnect ${device.name}`).check();
    await dialog.getByRole("button", { name: `Act as ${device.name}` }).click();
    expect((await socket.closed()).code).toBe(4409);
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    expect(page.url()).toBe(route(relay.url, "play"));

    // What the console itself is connected as is not taken from anybody.
    const other = await relay.device();
    await page.goto(route(relay.url, "devices", other.name));
    await page.getByRole("button", { name: "Act as this device" }).click();
    await page.getByRole("dialog").getByRole("button", { name: `Act as ${other.name}` }).click();
    await shows(paneOf(page, other.name).getByText("online", { exact: true }));
    await shows(paneOf(page, device.name).getByText("online", { exact: true }));
    expect(complaints).toEqual([]);
  });

  test("a link leaves a device that is online where it is", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [device.name] }));
    const pane = paneOf(page, device.name);
    await shows(pane.getByText(`${device.name} is connected elsewhere. “Bring online” disconnects it there.`));
    await page.reload();
    await shows(pane.getByText(/is connected elsewhere/));
    await socket.ping();
    await pane.getByRole("button", { name: "Bring online" }).click();
    expect((await socket.closed()).code).toBe(4409);
    await shows(pane.getByText("online", { exact: true }));
    expect(complaints).toEqual([]);
  });

  test("sends to a tag as a device that is named, with a token for just that", async () => {
    const [sender, receiver, boss] = await relay.devices(3);
    const tag = await relay.tag(receiver!);
    const { page, complaints } = await browser.tab();
    const grants: unknown[] = [];
    page.on("request", (request) => request.method() === "PUT" && grants.push(request.postDataJSON()));
    await operator(page, relay, "tags", tag);
    await page.getByRole("button", { name: "Send a message" }).click();
    const form = page.getByRole("dialog", { name: `Send to ${tag}` });
    await form.getByLabel("Message, JSON or text").fill("hello");
    await form.getByRole("button", { name: "Send", exact: true }).click();
    await shows(form.getByText("Enter the device to send as"));
    await form.getByLabel("From device").fill(sender!.name);
    await form.getByText("Options").click();
    await form.getByLabel("Urgency").selectOption("high");
    await form.getByLabel("Escalate to").fill(`@${boss!.name};after=300`);
    await form.getByRole("button", { name: "Send", exact: true }).click();
    await shows(title(page, "Message"));
    await shows(panel(page, "Deliveries").getByText(receiver!.name));
    expect(grants).toEqual([{ publish: [tag, `@${boss!.name}`], expires_in: 60 }]);
    const [sent] = (await sender!.request("GET", "/v1/messages")).is(200).messages;
    expect(page.url()).toBe(route(relay.url, "messages", sent.id));
    expect(await receiver!.inbox()).toMatchObject([{ id: sent.id, from: sender!.name, urgency: "high", payload: "hello" }]);
    expect(complaints).toEqual([]);
  });

  test("does not create the device that a message is to come from", async () => {
    const [receiver, nobody] = [await relay.device(), fresh("nobody")];
    const { page } = await browser.tab();
    await operator(page, relay, "devices", receiver.name);
    await page.getByRole("button", { name: "Send a message" }).click();
    const form = page.getByRole("dialog", { name: `Send to @${receiver.name}` });
    await form.getByLabel("From device").fill(nobody);
    await form.getByLabel("Message, JSON or text").fill("hello");
    await form.getByRole("button", { name: "Send", exact: true }).click();
    await form.locator(".error").filter({ hasText: nobody }).waitFor();
    (await relay.admin("GET", `/v1/devices/${nobody}`)).problem(404, "unknown_device");
    expect(await receiver.inbox()).toEqual([]);
  });

  test("sees what waits for a device and what it says, and nothing counts as sent", async () => {
    const [sender, device] = await relay.devices(2);
    const tag = await relay.tag(device!);
    await sender!.publish({ device: device!.name }, '{"serial":1724442618569203714,"a":[1,{}]}', { type: "application/json", wait: 0 });
    await sender!.send({ tag }, "second", { urgency: "low" });
    const { page, complaints, requests } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    const queue = panel(page, "Queue");
    await shows(queue.getByRole("link", { name: `from ${sender!.name}` }), 2);
    await shows(queue.getByText(new RegExp(`to ${tag} · application/json, 8 bytes · urgency low`)));
    await queue.getByRole("button", { name: /^Payload/ }).first().click();
    await shows(queue.getByText('{\n  "serial": 1724442618569203714,\n  "a": [\n    1,\n    {}\n  ]\n}'));
    await queue.getByRole("button", { name: /^Payload/ }).first().click();
    await queue.getByRole("button", { name: /^Payload/ }).first().click();
    await queue.getByText('"serial"').waitFor();
    expect(requests.filter((url) => /\/v1\/devices\/.*\/inbox/.test(url)).length, "the list is not asked for again").toBe(1);
    expect(requests.filter((url) => url.endsWith("/payload")).length, "each payload is asked for once").toBe(1);
    await shows(panel(page, "Status").getByText(/2 held, 0 in flight/));
    const { messages } = (await relay.admin("GET", `/v1/devices/${device!.name}/inbox`)).is(200);
    expect(messages.map(({ state, attempts }: { state: string; attempts: number }) => [state, attempts])).toEqual([["held", 0], ["held", 0]]);
    expect((await device!.inbox()).length).toBe(2);
    expect(complaints).toEqual([]);
  });

  test("a queue of more than a page is shown bit by bit", async () => {
    const [sender, device] = await relay.devices(2);
    for (let n = 0; n < 12; n++) await sender!.send({ device: device!.name }, n);
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    const queue = panel(page, "Queue");
    await shows(queue.getByRole("listitem"), 5);
    for (const count of [10, 12]) {
      await queue.getByRole("button", { name: "Show more" }).click();
      await shows(queue.getByRole("listitem"), count);
    }
    expect(await queue.getByRole("button", { name: "Show more" }).isHidden()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("sees what a device sent, by state, and more of it", async () => {
    const [sender, away, here] = await relay.devices(3);
    (await here!.connect()).answer(() => "yes");
    for (let n = 0; n < 21; n++) await sender!.send({ device: away!.name }, n);
    await sender!.settled(await sender!.send({ device: here!.name }, "x"));
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", sender!.name);
    const sent = panel(page, "Sent");
    await shows(sent.getByRole("listitem"), 10);
    for (const count of [20, 22]) {
      await sent.getByRole("button", { name: "Show more" }).click();
      await shows(sent.getByRole("listitem"), count);
    }
    await sent.getByLabel("State of a delivery").selectOption("delivered");
    await shows(sent.getByRole("listitem"));
    await shows(sent.getByRole("listitem").getByText("1 delivered"));
    await sent.getByRole("link", { name: `to @${here!.name}` }).click();
    await shows(title(page, "Message"));
    expect(complaints).toEqual([]);
  });

  test("a service that does not answer is said to be away, and what is shown may be old", async () => {
    const device = await relay.device();
    const { page } = await browser.tab();
    await operator(page, relay, "devices", device.name);
    await panel(page, "Status").getByText("never", { exact: true }).waitFor();
    await page.route("**/v1/**", (route) => route.abort());
    await page.getByRole("button", { name: "Refresh" }).click();
    await shows(page.getByText("The service does not answer. What is shown may be old."));
    await panel(page, "Status").getByRole("button", { name: "Try again" }).waitFor();
    await page.unroute("**/v1/**");
    await panel(page, "Status").getByRole("button", { name: "Try again" }).click();
    await page.getByText("What is shown may be old.").waitFor({ state: "hidden" });
  });
});
