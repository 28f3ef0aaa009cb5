// A person's answer: a notification is shown as its title, its text and its actions, and the action that somebody
// chooses is the reply that the sender gets.

import { expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { describeInBrowser, link, paneOf, shows, useChromium } from "./browser.ts";

const { notificationOf, choice, chosen } = await import(new URL("../../console/js/notification.js", import.meta.url).href);

const relay = useRelay();
const browser = useChromium();

const QUESTION = {
  title: "Someone is at the door",
  body: "Front door.\nIt rained.",
  actions: [{ id: "open", label: "Open" }, { id: "wait", label: "One moment" }],
};

const actions = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `a${n}`, label: `Action ${n}` }));

test("a payload within the bounds is a notification", () => {
  const longest = {
    title: "🍵".repeat(128),
    body: "🍵".repeat(1024),
    actions: [{ id: "a".repeat(64), label: "🍵".repeat(32) }, ...actions(3)],
  };
  for (const payload of [QUESTION, longest]) expect(notificationOf(payload)).toEqual(payload);
  expect(notificationOf({ title: "Dinner", ring: true })).toEqual({ title: "Dinner", body: "", actions: [] });
  expect(notificationOf({ title: "Dinner", body: "", actions: [] })).toEqual({ title: "Dinner", body: "", actions: [] });
});

test("a payload beyond them is none, and never a part of one", () => {
  const action = { id: "open", label: "Open" };
  const others = [
    null, 1, "title", [], ["title"], {}, { body: "Dinner" },
    ...[null, 1, "", " \n", "x".repeat(129), ["x"]].map((title) => ({ ...QUESTION, title })),
    ...[null, 1, "x".repeat(1025), {}].map((body) => ({ ...QUESTION, body })),
    ...[null, "open", {}, [null], ["open"], [{}], actions(5), [action, action]].map((actions) => ({ ...QUESTION, actions })),
    ...[null, 1, "", "-open", "a b", "ö", "open\n", "a".repeat(65)].map((id) => ({ ...QUESTION, actions: [{ ...action, id }] })),
    ...[null, 1, "", " ", "x".repeat(33)].map((label) => ({ ...QUESTION, actions: [{ ...action, label }] })),
  ];
  for (const payload of others) expect(notificationOf(payload), JSON.stringify(payload)).toBeUndefined();
});

test("an action may call its label a title, and have a reply of its own", () => {
  const titled = { title: "Door", actions: [{ id: "open", title: "Open", reply: null }, { id: "wait", title: "Wait", label: "One moment" }] };
  const notification = notificationOf(titled);
  expect(notification.actions).toEqual([{ id: "open", label: "Open", reply: null }, { id: "wait", label: "One moment" }]);
  expect(notification.actions.map(choice)).toEqual([null, { action: "wait" }]);
  expect([chosen(null, notification), chosen({ action: "wait" }, notification)]).toEqual(["Open", "One moment"]);
  const longest = "x".repeat(4094);
  expect(notificationOf({ title: "Door", actions: [{ id: "open", title: "Open", reply: longest }] })).toBeDefined();
  expect(notificationOf({ title: "Door", actions: [{ id: "open", title: "Open", reply: `${longest}x` }] })).toBeUndefined();
});

test("a picture and an address are taken in their form only, and change nothing otherwise", () => {
  const dinner = { title: "Dinner", body: "", actions: [] };
  const fine = [
    { url: "https://example.org/menu", image: "https://example.org/soup.png" },
    { image: "data:image/png;base64,iVBORw0KGgo=" },
  ];
  for (const more of fine) expect(notificationOf({ ...dinner, ...more })).toEqual({ ...dinner, ...more });
  const addresses = [null, 1, "", "/menu", "http://example.org/", "javascript:alert(1)", `https://example.org/${"x".repeat(2048)}`];
  for (const url of addresses) expect(notificationOf({ ...dinner, url, image: url }), `${url}`).toEqual(dinner);
  for (const image of ["data:image/svg+xml;base64,PHN2Zz4=", "data:text/html,x", "data:image/png,x"]) {
    expect(notificationOf({ ...dinner, image }), image).toEqual(dinner);
  }
});

test("a reply is read as the label of its action, or its id, or not at all", () => {
  expect(chosen({ action: "open" }, QUESTION)).toBe("Open");
  expect(chosen({ action: "close" }, QUESTION)).toBe("close");
  expect(chosen({ action: "open" })).toBe("open");
  for (const reply of [undefined, null, "open", ["open"], {}, { action: 1 }, { action: "a b" }, { action: "open", by: "Ann" }]) {
    expect(chosen(reply, QUESTION), JSON.stringify(reply)).toBeUndefined();
  }
});

describeInBrowser("a question", () => {
  /** The console with a doorbell and a phone that share a tag, and their panes. */
  async function open() {
    const [doorbell, phone] = await relay.devices(2);
    const tag = await relay.tag(phone!);
    const { page, complaints } = await browser.tab();
    await page.goto(link(relay.url, relay.adminKey, { devices: [doorbell!.name, phone!.name], tag }));
    const [from, to] = [paneOf(page, doorbell!.name), paneOf(page, phone!.name)];
    for (const pane of [from, to]) await shows(pane.getByText("online", { exact: true }));
    return { doorbell: doorbell!, phone: phone!, page, complaints, from, to };
  }

  test("is answered with a click, and the sender sees what was chosen", async () => {
    const { doorbell, page, complaints, from, to } = await open();
    await from.getByLabel("Message, JSON or text").fill(JSON.stringify(QUESTION));
    await from.getByRole("button", { name: "Send" }).click();
    await shows(to.getByRole("heading", { name: "Someone is at the door" }));
    await shows(to.getByText("Front door.\nIt rained.", { exact: true }));
    const answers = to.getByRole("group", { name: "Someone is at the door" }).getByRole("button");
    expect(await answers.allTextContents()).toEqual(["Open", "One moment", "Dismiss"]);
    await shows(from.locator(".event").getByText("sent"));
    await answers.getByText("One moment").click();
    await shows(to.locator(".answered").getByText("One moment", { exact: true }));
    await shows(from.getByText("receipt received"));
    await shows(from.getByText("reply: One moment"));
    const { messages } = (await doorbell.request("GET", "/v1/messages")).is(200);
    expect(messages).toMatchObject([{ deliveries: [{ state: "delivered", reply: { action: "wait" } }] }]);

    // The relay does not give the question back, so after a reload only the id is known.
    await page.reload();
    await shows(from.getByText("reply: wait"));
    expect(complaints).toEqual([]);
  });

  test("is not acknowledged automatically, and is rejected when it is dismissed", async () => {
    const { doorbell, phone, complaints, to } = await open();
    await to.getByLabel("Acknowledge automatically").check();
    const asked = await doorbell.send({ device: phone.name }, QUESTION);
    const told = await doorbell.send({ device: phone.name }, { title: "Dinner" });
    await shows(to.getByRole("heading", { name: "Dinner" }));
    expect((await doorbell.settled(told)).deliveries).toMatchObject([{ state: "delivered" }]);
    expect((await doorbell.trace(asked)).is(200).deliveries).toMatchObject([{ state: "sent" }]);
    await to.getByRole("button", { name: "Dismiss" }).click();
    await shows(to.getByText("dismissed", { exact: true }));
    expect((await doorbell.settled(asked)).deliveries).toMatchObject([{ state: "rejected", reason: "dismissed" }]);
    expect(complaints).toEqual([]);
  });

  test("comes back after the page was closed without an answer", async () => {
    const { doorbell, phone, page, complaints, to } = await open();
    const id = await doorbell.send({ device: phone.name }, QUESTION);
    await shows(to.getByRole("button", { name: "Open" }));
    await page.reload();
    await shows(to.getByText("attempt 2"));
    await to.getByRole("button", { name: "Open" }).click();
    expect((await doorbell.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { action: "open" } }]);
    expect(complaints).toEqual([]);
  });

  test("is shown as text, and one that is malformed like any other payload", async () => {
    const { doorbell, phone, page, complaints, to } = await open();
    const markup = "<img src=x onerror=\"document.title='taken'\">";
    const hostile = { title: markup, body: markup, actions: [{ id: "open", label: markup.slice(0, 32) }] };
    await doorbell.send({ device: phone.name }, hostile);
    await shows(to.getByRole("heading", { name: markup }));
    await shows(to.getByRole("button", { name: markup.slice(0, 32) }));
    expect(await to.locator("img, script").count()).toBe(0);
    expect(await page.title()).toBe("Play · tagpost");

    const malformed = JSON.stringify({ ...QUESTION, actions: [{ id: "open" }] });
    (await doorbell.publish({ device: phone.name }, malformed, { type: "application/json", wait: 0 })).is(202);
    // A text is not JSON, whatever it looks like.
    (await doorbell.publish({ device: phone.name }, JSON.stringify(QUESTION), { type: "text/plain", wait: 0 })).is(202);
    await shows(to.locator("pre").getByText(malformed, { exact: true }));
    await shows(to.locator("pre").getByText(JSON.stringify(QUESTION), { exact: true }));
    await shows(to.getByRole("button", { name: "Acknowledge", exact: true }), 2);
    expect(await to.getByRole("button", { name: "Open" }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
