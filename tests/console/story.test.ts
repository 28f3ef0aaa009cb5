// An operator's morning: what failed last night is found in two clicks and sent again; a queue and what was sent are
// seen without disturbing anybody; a message is watched as it arrives; and a link to it is passed on.

import { expect, test } from "vitest";

import { useRelay, type Device } from "../harness/index.ts";
import { describeInBrowser, operator, panel, shows, useChromium } from "./browser.ts";

const relay = useRelay();
const browser = useChromium();

const FLEET = 303;

describeInBrowser("an operator of 303 devices", () => {
  test("finds what failed, sends it again, looks on, and passes a link on", { timeout: 180_000 }, async () => {
    const [watch, camera] = [await relay.device("night-watch"), await relay.device("kitchen-cam")];
    // Straight into the directory: the others are only there.
    const directory = await relay.directory();
    await directory.exec(
      `INSERT INTO devices WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${FLEET - 3}) SELECT printf('cam-%03d', i), i, 1700000000000 FROM n`,
    );
    await relay.bind("kitchen", camera);
    const failed = await failAtNight(watch, camera);

    // The overview says it at once: select, resend.
    const { page, complaints, requests } = await browser.tab();
    await operator(page, relay);
    await shows(page.locator(".tile").filter({ hasText: "Devices" }).getByText(`${FLEET}`));
    const failures = panel(page, "Failures of the last day");
    const entry = failures.getByRole("listitem").filter({ hasText: "kitchen-cam" });
    await shows(entry.getByText("rejected"));
    await shows(entry.getByText(/lens is dirty/));
    await entry.getByRole("checkbox").check();
    await failures.getByRole("button", { name: "Resend 1" }).click();
    await page.getByRole("dialog", { name: "Resend 1 message?" }).getByRole("button", { name: "Resend 1 message" }).click();
    await entry.getByRole("link", { name: "Resent" }).waitFor();

    // It waits for the camera, which is away; to look changes nothing.
    await entry.getByRole("link", { name: "kitchen-cam", exact: true }).click();
    await shows(page.getByRole("heading", { level: 1, name: "kitchen-cam" }));
    const [queue, live] = [panel(page, "Queue"), panel(page, "Live")];
    await shows(queue.getByRole("link", { name: "from night-watch" }));
    await queue.getByRole("button", { name: /^Payload/ }).click();
    await shows(queue.getByText('{\n  "record": true\n}'));
    await shows(panel(page, "Sent").getByRole("link", { name: "to @night-watch" }));
    await shows(live.getByText("Connected", { exact: true }));
    const [held] = (await relay.admin("GET", "/v1/devices/kitchen-cam/inbox")).is(200).messages;
    expect(held).toMatchObject({ state: "held", attempts: 0 });
    expect((await relay.admin("GET", "/v1/devices/kitchen-cam")).is(200)).toMatchObject({ online: false, held: 1 });

    // The camera comes back, and the message arrives while the page asks for nothing.
    const before = requests.length;
    const socket = await camera.connect();
    await shows(page.locator(".title-line").getByText("online", { exact: true }));
    const message = await socket.next("message");
    expect(message).toMatchObject({ id: held.id, attempt: 1, payload: { record: true } });
    socket.ack(message.id, { recording: true });
    const arrived = live.getByRole("listitem").filter({ hasText: "delivered" });
    await shows(arrived.getByText('reply {"recording":true}'));
    await shows(queue.getByText("Nothing waits for kitchen-cam."));
    expect(requests.slice(before)).toEqual([]);

    // Its line leads to the message, whose address is the link; a colleague opens it.
    await arrived.getByRole("link", { name: "from night-watch" }).click();
    await shows(panel(page, "Deliveries").getByText("delivered", { exact: true }));
    await shows(page.getByRole("link", { name: failed }));
    const { page: other, complaints: others } = await browser.tab();
    await other.goto(page.url());
    await other.getByLabel("Admin key, viewer key or device token").fill(relay.adminKey);
    await other.keyboard.press("Enter");
    await shows(other.getByText(held.id, { exact: true }));
    await shows(panel(other, "Deliveries").getByText('{"recording":true}'));

    // Nobody was taken over, and nobody but the two that had something to do was woken.
    await socket.ping();
    expect((await relay.objects()).length).toBe(2);
    expect([...complaints, ...others]).toEqual([]);
  });
});

/** A message that the camera rejected, and one that it sent. Returns the id of the first. */
async function failAtNight(watch: Device, camera: Device): Promise<string> {
  const socket = await camera.connect();
  const id = await watch.send({ device: camera.name }, { record: true });
  await socket.next((frame) => frame.type === "message" && frame.id === id);
  socket.nack(id, "the lens is dirty");
  await watch.settled(id);
  await camera.send({ device: watch.name }, { battery: 12 });
  socket.terminate();
  await camera.offline();
  const listed = async () => (await relay.admin("GET", "/v1/failures")).is(200).failures.length;
  await expect.poll(listed, { timeout: 30_000 }).toBe(1);
  return id;
}
