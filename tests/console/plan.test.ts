// What a sender wants of a message beyond one delivery to each device: the form offers it, and the page shows how far
// it has come.

import type { Locator } from "playwright-core";
import { expect, test } from "vitest";

import { fresh, useRelay } from "../harness/index.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

describeInBrowser("the plan of a message", () => {
  /** The console as a sender, who writes to a tag of two devices that are offline. */
  async function open() {
    const [sender, ann, ben] = await relay.devices(3);
    const tag = await relay.tag(ann!, ben!);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [sender!.name], tag }));
    const pane = paneOf(page, sender!.name);
    await shows(pane.getByText("online", { exact: true }));
    return { sender: sender!, ann: ann!, ben: ben!, tag, pane, complaints };
  }

  /** Sends a message with these options, by the labels of their fields. */
  async function send(pane: Locator, options: Record<string, string>) {
    await pane.getByLabel("Message, JSON or text").fill("the pump has stopped");
    await pane.getByText("Options").click();
    for (const [label, value] of Object.entries(options)) await pane.getByLabel(label).fill(value);
    await pane.getByRole("button", { name: "Send" }).click();
  }

  const steps = (pane: Locator) => pane.locator(".plan li");

  test("a message that needs one acknowledgement shows when it has it", async () => {
    const { ann, ben, pane, complaints } = await open();
    await send(pane, { "Acknowledgements needed": "1" });
    await shows(pane.getByText("1 acknowledgement needed"));
    const socket = await ann.connect();
    socket.ack((await socket.next("message")).id, "I go");
    await shows(steps(pane).filter({ hasText: "enough" }).getByText("1 needed"));
    await shows(pane.getByText("reason: enough"));
    expect(await pane.getByText("1 acknowledgement needed").count()).toBe(0);
    expect(await ben.inbox()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a message that nobody acknowledges shows to whom it escalated", async () => {
    const { sender, ann, pane, complaints } = await open();
    const [boss] = await relay.devices(1);
    const [managers, nobody] = [await relay.tag(boss!), fresh("nobody")];
    await send(pane, { "Acknowledgements needed": "1", "Escalate to": `${nobody};after=1, ${managers};after=2, @${ann.name};after=3600` });
    await shows(pane.getByText(`; to @${ann.name} after 3,600 s`));
    await ann.inbox({ wait: 20 });
    const [message] = await boss!.inbox({ wait: 20 });
    (await boss!.ack(message!.id, { reply: "I go" })).is(204);
    await shows(steps(pane).filter({ hasText: "enough" }));
    const events = pane.locator(".plan .event");
    expect(await events.allTextContents()).toEqual(["accepted", "escalation failed", "escalated", "enough"]);
    expect(await pane.getByText("3,600 s").count(), "a step that is not needed any more").toBe(0);
    await shows(steps(pane).getByText(`to ${nobody}: unknown_tag`));
    await shows(steps(pane).getByText(`to ${managers}: 1 device`));
    await shows(pane.locator(".delivery").filter({ hasText: boss!.name }).getByText("reply: I go"));
    expect((await sender.settled(message!.id)).summary).toEqual({ delivered: 1, cancelled: 2 });
    expect(complaints).toEqual([]);
  });

  test("a message with a delay shows that it is scheduled, then its deliveries", async () => {
    const { ann, ben, pane, complaints } = await open();
    await send(pane, { "Delay in seconds": "2" });
    await shows(steps(pane).getByText("scheduled"));
    expect(await pane.locator(".delivery").count()).toBe(0);
    for (const device of [ann, ben]) {
      const [message] = await device.inbox({ wait: 20 });
      (await device.ack(message!.id)).is(204);
    }
    await shows(pane.locator(".delivery .event").getByText("delivered"), 2);
    await shows(pane.getByText("receipt received"), 2);
    expect(complaints).toEqual([]);
  });

  test("a message for a certain time can be cancelled before it", async () => {
    const { sender, ann, pane, complaints } = await open();
    await send(pane, { "Deliver at": "2020-01-01T00:00:00" });
    expect((await ann.inbox({ wait: 20 })).length, "a time that is past is now").toBe(1);

    const soon = new Date(Date.now() + 3_600_000);
    const local = new Date(soon.getTime() - 60_000 * soon.getTimezoneOffset()).toISOString().slice(0, 19);
    await pane.getByLabel("Deliver at").fill(local);
    await pane.getByRole("button", { name: "Send" }).click();
    const message = pane.locator("li.message").first();
    await shows(message.getByText("scheduled"));
    const [sent] = (await sender.request("GET", "/v1/messages?limit=1")).is(200).messages;
    expect(sent).toMatchObject({ state: "scheduled", deliver_at: 1000 * Math.floor(soon.getTime() / 1000) });
    await message.getByRole("button", { name: "Cancel" }).click();
    await shows(message.locator(".event").getByText("cancelled"));
    await message.getByRole("button", { name: "Cancel" }).waitFor({ state: "hidden" });
    expect(complaints).toEqual([]);
  });

  test("an option that cannot be sent is named, and so is one that the relay refuses", async () => {
    const { sender, pane } = await open();
    await send(pane, { Topic: "кухня" });
    await shows(pane.getByRole("alert").getByText("Topic may contain only ASCII characters"));
    await pane.getByLabel("Topic").fill("");
    await pane.getByLabel("Deliver at").pressSequentially("0101");
    await pane.getByRole("button", { name: "Send" }).click();
    await shows(pane.getByRole("alert").getByText("Deliver at is incomplete"));
    await pane.getByLabel("Deliver at").fill("");
    await pane.getByLabel("Delay in seconds").fill("soon");
    await pane.getByRole("button", { name: "Send" }).click();
    await shows(pane.getByRole("alert").getByText(/Delay must be a whole number/));
    expect((await sender.request("GET", "/v1/messages")).is(200).messages).toEqual([]);
  });
});
