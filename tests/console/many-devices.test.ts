// Ten thousand devices: the list stays quick, since only what is in sight is in the document.

import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, operator, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const COUNT = 10_000;
/** More than the rows that fit any screen and their margin, far less than there are devices. */
const MOST_ROWS = 40;
/** Milliseconds in which the page answers an interaction, on a machine that is busy with other tests. */
const QUICK = 3000;

describeInBrowser("10,000 devices", () => {
  test("are listed, searched and walked through with a bounded number of rows", async () => {
    // Straight into the directory: registering that many one by one would test the relay, not the page.
    const directory = await relay.directory();
    await directory.exec(
      `INSERT INTO devices WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${COUNT - 1}) SELECT printf('sensor-%05d', i), i, 1700000000000 FROM n`,
    );
    const registered = await relay.device("sensor-07777");
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices");
    await shows(page.getByText("10,000 in total"));
    const list = page.getByRole("listbox", { name: "Devices" });
    const rows = list.getByRole("option");
    await list.getByText("sensor-00000").waitFor();
    expect(await rows.count()).toBeLessThan(MOST_ROWS);

    page.setDefaultTimeout(QUICK);
    await list.focus();
    await page.keyboard.press("End");
    await list.getByText("sensor-09999").waitFor();
    const last = list.locator(`[aria-posinset="${COUNT}"]`);
    expect(await last.getAttribute("aria-setsize")).toBe(`${COUNT}`);
    expect(await list.getAttribute("aria-activedescendant")).toBe(await last.getAttribute("id"));
    await page.keyboard.press("PageUp");
    await page.keyboard.press("Home");
    await list.getByText("sensor-00000").waitFor();

    await list.hover();
    await page.mouse.wheel(0, 100_000);
    await list.getByText("sensor-00000").waitFor({ state: "detached" });
    expect(await rows.count()).toBeLessThan(MOST_ROWS);

    await page.getByLabel("Find devices").fill("r-0777");
    await shows(page.getByText("10 of 10,000"));
    expect(await rows.count()).toBe(10);
    await rows.filter({ hasText: registered.name }).click();
    await shows(page.getByRole("heading", { level: 1, name: registered.name }));
    // Chromium logs the answers about devices that are in the directory and have no mailbox.
    expect(complaints.filter((text) => !text.includes("404 (Not Found)"))).toEqual([]);
  });
});
