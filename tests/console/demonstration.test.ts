// Two devices side by side: one is taken offline, a message is held for it, it comes back, and the
// receipt returns, as in README.md. With SCREENSHOT=<file> the page is photographed at its best moment.

import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

describeInBrowser("the demonstration", () => {
  test("a held message arrives when its device is back, and the receipt returns to the sender", async () => {
    const [sender, receiver] = [await relay.device("doorbell"), await relay.device("kitchen-cam")];
    await relay.bind("hallway", receiver);
    const { page, complaints, requests } = await browser.tab({ viewport: { width: 1440, height: 960 } });
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender.name, receiver.name], tag: "hallway" }));
    const [bell, camera] = [paneOf(page, "doorbell"), paneOf(page, "kitchen-cam")];
    await shows(bell.getByText("online", { exact: true }));
    await shows(camera.getByText("online", { exact: true }));
    expect(page.url(), "the key is gone from the address bar").toBe(`${relay.url.origin}/#/play`);

    await camera.getByRole("button", { name: "Take offline" }).click();
    await shows(camera.getByText("offline", { exact: true }));
    expect((await receiver.status()).is(200).online).toBe(false);

    await bell.getByLabel("Message, JSON or text").fill('{"ring":true}');
    await bell.getByRole("button", { name: "Send" }).click();
    const steps = bell.getByRole("listitem").filter({ hasText: "kitchen-cam" }).last().locator(".event");
    await shows(steps.getByText("held"));
    expect(await camera.getByText('"ring"').count(), "nothing arrives while offline").toBe(0);

    await camera.getByRole("button", { name: "Bring online" }).click();
    await shows(camera.getByText('{"ring":true}'));
    await shows(steps.getByText("sent"));
    await camera.getByLabel("Reply, or reason to reject").fill('{"got":{"ring":true}}');
    await camera.getByRole("button", { name: "Acknowledge", exact: true }).click();
    await shows(camera.getByText("acknowledged", { exact: true }));

    await shows(bell.getByText("receipt received"));
    await shows(bell.getByText('{"got":{"ring":true}}'));
    await shows(steps.getByText("delivered"));
    expect(await steps.allTextContents()).toEqual(["accepted", "held", "sent", "delivered"]);

    // What the page shows is what the relay says.
    const { messages } = (await sender.request("GET", "/v1/messages")).is(200);
    expect(messages).toMatchObject([{ summary: { delivered: 1 }, deliveries: [{ reply: { got: { ring: true } } }] }]);

    if (process.env.SCREENSHOT) {
      await bell.getByLabel("Message, JSON or text").fill("Someone is at the door");
      await bell.getByRole("button", { name: "Send" }).click();
      await shows(camera.getByRole("button", { name: "Acknowledge", exact: true }));
      await shows(bell.locator(".event").getByText("sent"), 2);
      await page.mouse.move(0, 0);
      await page.emulateMedia({ reducedMotion: "reduce" });
      await page.screenshot({ path: process.env.SCREENSHOT });
    }
    expect(requests.filter((url) => url.includes(relay.adminKey) || url.includes("token"))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("JSON that is broken is sent as text, which the form says while it is typed", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name] }));
    const pane = paneOf(page, sender!.name);
    await pane.getByLabel("Kind of address").selectOption("device");
    await pane.getByLabel("Send to").fill(receiver!.name);
    const hint = pane.getByText("This is not valid JSON. It is sent as text.");
    for (const [text, isBroken] of [["[1", true], ["[1]", false], ['{"ring": true', true], ["a {text}", false], [' {"broken":', true]] as const) {
      await pane.getByLabel("Message, JSON or text").fill(text);
      expect(await hint.count(), text).toBe(isBroken ? 1 : 0);
    }
    await pane.getByRole("button", { name: "Send" }).click();
    await shows(pane.locator(".event").getByText("held"));
    const { messages } = (await receiver!.request("GET", "/v1/inbox?limit=1")).is(200);
    expect(messages).toMatchObject([{ content_type: "text/plain; charset=utf-8", payload: ' {"broken":' }]);
    expect(complaints).toEqual([]);
  });

  test("a message that somebody works on shows the note, and one that is cancelled then is taken down", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name, receiver!.name] }));
    const [from, to] = [paneOf(page, sender!.name), paneOf(page, receiver!.name)];
    await shows(to.getByText("online", { exact: true }));
    await from.getByLabel("Kind of address").selectOption("device");
    await from.getByLabel("Send to").fill(receiver!.name);
    await from.getByLabel("Message, JSON or text").fill("the pump has stopped");
    await from.getByRole("button", { name: "Send" }).click();
    await to.getByLabel("Reply, or reason to reject").fill("on my way");
    await to.getByRole("button", { name: "Work on it" }).click();
    await shows(from.locator(".event").getByText("in progress"));
    await shows(from.getByText("on my way"));

    await from.getByRole("button", { name: "Cancel" }).click();
    await shows(to.getByText("cancelled by its sender"));
    expect(await to.getByRole("button", { name: "Acknowledge", exact: true }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("a message that is rejected shows its reason, one that is cancelled shows it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name, receiver!.name] }));
    const [from, to] = [paneOf(page, sender!.name), paneOf(page, receiver!.name)];
    await shows(to.getByText("online", { exact: true }));
    await from.getByLabel("Kind of address").selectOption("device");
    await from.getByLabel("Send to").fill(receiver!.name);
    await from.getByLabel("Message, JSON or text").fill("open up");
    await from.getByRole("button", { name: "Send" }).click();
    await to.getByLabel("Reply, or reason to reject").fill("not at home");
    await to.getByRole("button", { name: "Reject" }).click();
    await shows(from.getByText("reason: not at home"));
    await shows(from.locator(".event").getByText("rejected"));

    await from.getByRole("button", { name: "Send" }).click();
    await from.getByRole("button", { name: "Cancel" }).click();
    await shows(from.locator(".event").getByText("cancelled"));
    expect(complaints).toEqual([]);
  });

  test("a message goes to the devices that match an expression, and back to its sender on request", async () => {
    const [sender, receiver, away] = await relay.devices(3);
    const [hall, muted] = [await relay.tag(sender!, receiver!, away!), await relay.tag(away!)];
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name, receiver!.name] }));
    const [from, to] = [paneOf(page, sender!.name), paneOf(page, receiver!.name)];
    for (const pane of [from, to]) await shows(pane.getByText("online", { exact: true }));
    await from.getByLabel("Kind of address").selectOption("expression");
    await from.getByLabel("Send to").fill(`${hall} & !${muted}`);
    await from.getByLabel("Message, JSON or text").fill("dinner");
    await from.getByText("Options").click();
    await from.getByLabel("Send it back to me, too").selectOption("yes");
    await from.getByRole("button", { name: "Send" }).click();
    for (const pane of [from, to]) await shows(pane.getByText(`to ${hall} & !${muted}`));
    const [sent] = (await sender!.request("GET", "/v1/messages")).is(200).messages;
    expect(sent.to).toEqual({ match: `${hall} & !${muted}` });
    expect(Object.values<number>(sent.summary).reduce((sum, count) => sum + count)).toBe(2);
    expect(complaints).toEqual([]);
  });

  test("a message's content is shown as text, never as a part of the page", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [receiver!.name] }));
    const pane = paneOf(page, receiver!.name);
    await shows(pane.getByText("online", { exact: true }));
    const hostile = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;
    await sender!.send({ device: receiver!.name }, hostile, { type: "text/html" });
    await shows(pane.getByText(hostile));
    expect(await pane.locator("img, script").count()).toBe(0);
    expect(await page.title()).toBe("Play · tagpost");
    expect(complaints).toEqual([]);
  });

  test("a sent message stays in view, whatever receipts of earlier ones arrive", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer(() => "seen");
    const earlier = await Promise.all(Array.from({ length: 25 }, (_, n) => sender!.send({ device: receiver!.name }, n, { wait: 0 })));
    for (const id of earlier.sort()) await sender!.settled(id);
    const { page, complaints } = await browser.tab();
    // Receipts are shown with their messages, which come only once the own one was sent.
    const isSent = Promise.withResolvers<void>();
    const asked = new Set<string>();
    await page.route(/\/v1\/messages\/\w+$/, async (route) => {
      await isSent.promise;
      await route.continue();
    });
    page.on("request", (request) => void asked.add(request.url().split("/").at(-1)!));
    await page.goto(`${relay.url.origin}/#token=${sender!.token}`);
    const pane = paneOf(page, sender!.name);
    await shows(pane.getByText("online", { exact: true }));
    await pane.getByLabel("Kind of address").selectOption("device");
    await pane.getByLabel("Send to").fill(receiver!.name);
    await pane.getByLabel("Message, JSON or text").fill("my important message");
    await pane.getByRole("button", { name: "Send" }).click();
    const sent = pane.locator("section").filter({ has: page.getByRole("heading", { name: "Sent" }) });
    await sent.locator("pre").getByText("my important message").waitFor();
    isSent.resolve();
    await shows(sent.getByText("receipt received"), 10);
    expect(await sent.locator("li.message").count()).toBe(10);
    expect(await sent.locator("li.message").first().innerText()).toContain("my important message");
    expect(earlier.slice(0, 15).filter((id) => asked.has(id)), "messages out of sight that were asked for").toEqual([]);
    expect(complaints).toEqual([]);
  });
});
