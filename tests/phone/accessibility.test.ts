// Everyone can use the app: axe finds nothing in either theme, and the keyboard reaches everything.

import { expect, test } from "vitest";

import { violations } from "../console/axe.ts";
import { describeInBrowser, useChromium } from "../console/browser.ts";
import { until, useRelay } from "../harness/index.ts";
import { App } from "./app.ts";

const relay = useRelay();
const browser = useChromium();

const QUESTION = { title: "Someone is at the door", body: "Front door", actions: [{ id: "open", title: "Open" }, { id: "wait", title: "One moment" }] };

describeInBrowser("accessibility of the phone's page", () => {
  test.each(["light", "dark"] as const)("axe finds nothing in any view, %s", async (colorScheme) => {
    const [phone, doorbell] = await relay.devices(2);
    const welcome = await App.open(browser, relay.url.origin, { colorScheme, reducedMotion: "reduce" });
    await welcome.page.getByRole("button", { name: "Pair" }).tap();
    await welcome.page.getByRole("alert").getByText("Paste the link first.").waitFor();
    expect(await violations(welcome.page), "before it is paired").toEqual([]);

    const app = await App.paired(browser, relay, phone!, { colorScheme, reducedMotion: "reduce" });
    await app.page.getByRole("heading", { name: "Nothing yet" }).waitFor();
    expect(await violations(app.page), "nothing has come").toEqual([]);
    const to = { device: phone!.name };
    const picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    await doorbell!.send(to, { title: "Dinner", body: "is ready", url: "https://example.org/", image: picture });
    await doorbell!.send(to, "just text", { type: "text/plain" });
    await doorbell!.send(to, { reading: { sensor: "attic", celsius: 21.5 } });
    for (const title of ["One", "Two", "Three"]) await doorbell!.send(to, { ...QUESTION, title });
    await app.page.getByRole("group", { name: "Three" }).waitFor();
    await app.page.getByRole("group", { name: "One" }).getByRole("button", { name: "Open" }).tap();
    await app.page.getByRole("group", { name: "Two" }).getByRole("button", { name: "Decline" }).tap();
    await app.page.getByText("You chose Open", { exact: true }).waitFor();
    await app.page.getByText("Declined", { exact: true }).waitFor();
    expect(await violations(app.page), "messages and answers").toEqual([]);
    await app.page.getByRole("button", { name: "Forget this phone" }).tap();
    expect(await violations(app.page), "a dialog").toEqual([]);
    await app.page.keyboard.press("Escape");
    await app.page.evaluate("location.hash = 'abcdefghijklmnop'");
    await app.page.getByRole("button", { name: "Pair again" }).waitFor();
    expect(await violations(app.page), "pairing again").toEqual([]);
    await app.page.getByRole("button", { name: "Pair again" }).tap();
    await app.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
    expect(await violations(app.page), "a link that does not work").toEqual([]);
  }, 120_000);

  test("the keyboard alone answers a question, and news is read out", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.paired(browser, relay, phone!);
    const id = await doorbell!.send({ device: phone!.name }, QUESTION);
    await app.page.locator("#announcer").getByText(`Question from ${doorbell!.name}: Someone is at the door. Front door`).waitFor({ state: "attached" });
    const target = app.page.getByRole("button", { name: "One moment" });
    await until(
      "the button to have the focus",
      async () => {
        await app.page.keyboard.press("Tab");
        return (await target.and(app.page.locator(":focus")).count()) > 0;
      },
      (has) => has,
    );
    await app.page.keyboard.press("Enter");
    expect((await doorbell!.settled(id)).deliveries).toMatchObject([{ reply: { action: "wait" } }]);
  });

  test("the narrowest phone shows it without scrolling sideways, with targets for a thumb", async () => {
    const [phone, doorbell] = await relay.devices(2);
    const app = await App.paired(browser, relay, phone!, { viewport: { width: 320, height: 640 } });
    const wide = { title: "W".repeat(128), body: "W".repeat(1024), actions: [{ id: "a", label: "W".repeat(32) }, { id: "b", label: "No" }] };
    await doorbell!.send({ device: phone!.name }, wide);
    await app.page.getByRole("button", { name: "No", exact: true }).waitFor();
    expect(await app.page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(320);
    const heights = await app.page.evaluate("Array.from(document.querySelectorAll('button'), (button) => button.getBoundingClientRect().height)");
    expect(Math.min(...(heights as number[]))).toBeGreaterThanOrEqual(44);
  });
});
