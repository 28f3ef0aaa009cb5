// The relay is killed and started again under an open page, which finds back by itself.

import { afterAll, beforeAll, expect, test } from "vitest";

import { RelayProcess } from "../harness/process.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const relay = new RelayProcess();
beforeAll(() => relay.start(), 90_000);
afterAll(() => relay.stop(), 30_000);
const browser = useChromium();

describeInBrowser("a restart of the relay", () => {
  test("is survived: the pane is online again, and a message sent meanwhile arrives", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [receiver!.name] }));
    const pane = paneOf(page, receiver!.name);
    await shows(pane.getByText("online", { exact: true }));

    await relay.kill();
    await shows(pane.getByText("connecting", { exact: true }));
    await relay.start();
    const id = await sender!.send({ device: receiver!.name }, "after the restart");
    // The pause before an attempt may have grown to half a minute while the relay started.
    await pane.getByText("online", { exact: true }).waitFor({ timeout: 60_000 });
    await shows(pane.getByText("after the restart"));
    await pane.getByRole("button", { name: "Acknowledge", exact: true }).click();
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });

    // That nothing listened meanwhile, or that an answer broke off, is all that Chromium may have logged.
    const gone = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_SOCKET|WebSocket connection/;
    const others = complaints.filter((text) => !gone.test(text));
    expect(others).toEqual([]);
  }, 240_000);
});
