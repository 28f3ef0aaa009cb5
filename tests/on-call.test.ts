// The on-call story, with the example's own program as the monitor and the console as everybody's phone: two phones
// ring, nobody answers, the manager's rings too, the manager answers, and the alert disappears from the others.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, beforeEach, expect, test } from "vitest";

import { describeInBrowser, paneOf, shows, useChromium } from "./console/browser.ts";
import { useRelay, type Device } from "./harness/index.ts";
import { usePrograms, type Program } from "./harness/program.ts";

const relay = useRelay();
const start = usePrograms();

/** What the monitor watches, and what that answers. */
let pump: Server;
let status: number;
beforeEach(async () => {
  status = 200;
  pump = createServer((_request, response) => void response.writeHead(status).end());
  await once(pump.listen(0, "127.0.0.1"), "listening");
});
afterEach(async () => {
  pump.close().closeAllConnections();
  // Each test has devices of its own, whose names are the same.
  for (const name of ["anna", "ben", "boss", "monitor"]) await relay.admin("DELETE", `/v1/devices/${name}`);
});

const address = () => `http://127.0.0.1:${(pump.address() as AddressInfo).port}/`;

/** The demonstration, as its README starts it; the manager's phone rings after `escalateAfter` seconds. */
function demonstration(escalateAfter: number): Program {
  const env = { TAGPOST_URL: relay.url.origin, ADMIN_KEY: relay.adminKey, CHECK_EVERY: "0.2", ESCALATE_AFTER: `${escalateAfter}` };
  return start(process.execPath, ["examples/on-call/demo.mjs", address()], env);
}

/** The trace of what the monitor sent last, once it is settled. */
async function traceOf(monitor: Device) {
  const [{ id }] = (await monitor.request("GET", "/v1/messages?limit=1")).is(200).messages;
  return monitor.settled(id);
}

describeInBrowser("on call", () => {
  const browser = useChromium();

  /** The demonstration, and the phones of these people with the console open: their panes, by name. */
  async function phones(names: string[], escalateAfter = 60) {
    const demo = demonstration(escalateAfter);
    const panes = names.map(async (name) => {
      const link = (await demo.line(`  ${name} `)).trim().split(/\s+/)[1]!;
      const { page, complaints } = await browser.tab();
      await page.goto(link);
      const pane = paneOf(page, name);
      await shows(pane.getByText("online", { exact: true }));
      return { pane, complaints };
    });
    return { demo, phones: await Promise.all(panes) };
  }

  test("nobody answers, so the manager's phone rings too, and the manager takes it", async () => {
    const { demo, phones: [anna, ben, boss] } = await phones(["anna", "ben", "boss"], 1);
    status = 503;
    for (const { pane } of [anna!, ben!, boss!]) await shows(pane.getByRole("heading", { name: "A service does not answer" }));
    for (const { pane } of [anna!, ben!]) await shows(pane.getByRole("button", { name: "I'll do it" }));
    await boss!.pane.getByRole("button", { name: "I'll do it" }).click();

    // It disappears from the others, who learn why.
    for (const { pane } of [anna!, ben!]) {
      await shows(pane.getByText("acknowledged by enough other devices"));
      expect(await pane.getByRole("button", { name: "I'll do it" }).count()).toBe(0);
    }
    // The monitor has one receipt with an answer: it says who took it, and when.
    await demo.line("boss took it");
    expect(demo.said.filter((line) => line.includes("took it"))).toHaveLength(1);

    const monitor = await relay.device("monitor");
    const trace: any = await traceOf(monitor);
    expect(trace).toMatchObject({ to: { tag: "on-call" }, acks_needed: 1, enough_at: expect.any(Number) });
    expect(trace.deliveries).toMatchObject([
      { device: "anna", state: "cancelled", reason: "enough" },
      { device: "ben", state: "cancelled", reason: "enough" },
      { device: "boss", state: "delivered", reply: { action: "take" } },
    ]);
    const story = trace.timeline.map(({ event, device = "" }: any) => `${event} ${device}`.trim());
    expect(story.indexOf("sent anna")).toBeLessThan(story.indexOf("escalated"));
    expect(story.indexOf("escalated")).toBeLessThan(story.indexOf("sent boss"));
    expect(story.indexOf("delivered boss")).toBeLessThan(story.indexOf("cancelled anna"));
    const escalated = trace.timeline.filter(({ event }: any) => event === "escalated");
    expect(escalated).toMatchObject([{ to: { tag: "managers" }, devices: 1 }]);
    expect(escalated[0].at - trace.accepted_at).toBeGreaterThanOrEqual(1000);
    expect([anna, ben, boss].flatMap((phone) => phone!.complaints)).toEqual([]);
  });

  test("one of those on call takes it, and the manager's phone never rings", async () => {
    const { demo, phones: [anna, ben] } = await phones(["anna", "ben"]);
    status = 503;
    await ben!.pane.getByRole("button", { name: "I'll do it" }).click();
    await demo.line("ben took it");
    await shows(anna!.pane.getByText("acknowledged by enough other devices"));
    const trace = await traceOf(await relay.device("monitor"));
    expect(trace.deliveries.map(({ device }) => device)).toEqual(["anna", "ben"]);
  });

  test("the alert is cancelled once the address answers again", async () => {
    const { demo, phones: [anna] } = await phones(["anna"]);
    status = 503;
    await shows(anna!.pane.getByRole("button", { name: "I'll do it" }));
    status = 200;
    await demo.line("it answers again");
    await shows(anna!.pane.getByText("cancelled by its sender"));
    expect(await anna!.pane.getByRole("button", { name: "I'll do it" }).count()).toBe(0);
  });
});

test("the monitor says what it lacks", async () => {
  const monitor = start(process.execPath, ["examples/on-call/monitor.mjs"], { TAGPOST_URL: relay.url.origin });
  await monitor.line("have to be given");
  await monitor.line("(ended with 2)");
});
