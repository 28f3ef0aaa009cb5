// A payload is shown as what it is: JSON indented with every digit, text, a picture, bytes; and never as a part of the
// page.

import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, operator, panel, shows, useChromium } from "./browser.ts";

const { indented } = await import(new URL("../../console/js/message/json.js", import.meta.url).href);
const { hex } = await import(new URL("../../console/js/message/hex.js", import.meta.url).href);

const relay = useRelay();
const browser = useChromium();

/** A picture of one red pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC",
  "base64",
);

test("JSON is indented, and nothing of it is changed", () => {
  expect(indented('{"a":[1,{"b":1.00}],"c":{},"d":[],"e":"x, {\\"y\\"}"}')).toBe(
    '{\n  "a": [\n    1,\n    {\n      "b": 1.00\n    }\n  ],\n  "c": {},\n  "d": [],\n  "e": "x, {\\"y\\"}"\n}',
  );
  for (const text of ["1724442618569203714", "null", '"a\\\\"', "[]", "{}", "-1e+400"]) expect(indented(` ${text} `)).toBe(text);
  const long = JSON.stringify({ text: "\\\"x".repeat(300_000), numbers: Array(50_000).fill(0.1) });
  expect(JSON.stringify(JSON.parse(indented(long)))).toBe(long);
});

test("bytes are shown sixteen to a line, with their place and their characters", () => {
  expect(hex(Uint8Array.from([0, 0x41, 0xff, 0x7e]), 100)).toBe(`000000  00 41 ff 7e ${" ".repeat(36)} .A.~`);
  expect(hex(new Uint8Array(40), 32).split("\n")).toHaveLength(2);
});

describeInBrowser("a payload", () => {
  test("of each kind is shown, and can be kept as a file", async () => {
    const [sender, device] = await relay.devices(2);
    const hostile = `<img src=x onerror="document.title='taken'">`;
    const kinds: [string, Buffer | string][] = [
      ["application/json", '{"serial":1724442618569203714}'],
      ["text/html", hostile],
      ["image/png", PNG],
      ["application/octet-stream", Buffer.from([0, 1, 2, 0x41])],
      ["image/png", Buffer.from("no picture")],
    ];
    const ids: string[] = [];
    for (const [type, body] of kinds) ids.push((await sender!.publish({ device: device!.name }, body, { type, wait: 0 })).is(202).id);
    const { page, complaints } = await browser.tab();
    await operator(page, relay, "devices", device!.name);
    const entries = panel(page, "Queue").getByRole("listitem");
    await shows(entries, kinds.length);
    const show = async (n: number) => {
      await entries.nth(n).getByRole("button", { name: /^Payload/ }).click();
      await entries.nth(n).getByRole("button", { name: "Download" }).waitFor();
      return entries.nth(n);
    };
    await shows((await show(0)).getByText('{\n  "serial": 1724442618569203714\n}'));
    await shows((await show(1)).getByText(hostile));
    await shows((await show(2)).getByRole("img", { name: "Picture, 1 by 1 pixels" }));
    expect(await page.evaluate("Array.from(document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data)")).toEqual([255, 0, 0, 255]);
    await shows((await show(3)).getByText(/^000000\s+00 01 02 41\s+\.\.\.A$/));
    await shows((await show(4)).getByText(/no picture$/));

    const [saved] = await Promise.all([page.waitForEvent("download"), entries.nth(2).getByRole("button", { name: "Download" }).click()]);
    expect(saved.suggestedFilename()).toBe(`${ids[2]}.png`);
    const chunks: Buffer[] = [];
    for await (const chunk of await saved.createReadStream()) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(PNG)).toBe(true);
    expect(await page.title()).not.toBe("taken");
    expect(await panel(page, "Queue").locator("img").count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
