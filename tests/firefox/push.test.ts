// An unmodified Firefox with one changed setting, and a sender with an independent library.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "vitest";
import webPush from "web-push";

import { METER, meter, still } from "../costs/counts.ts";
import { call } from "../harness/http.ts";
import { until, type Answer, type Device } from "../harness/index.ts";
import { RelayProcess } from "../harness/process.ts";
import { Firefox, describeInFirefox } from "./browser.ts";
import { Site } from "./site.ts";

const relay = new RelayProcess({ PUSH_KEY: "a key for tests that is long enough" }, METER);
const vapidDetails = { subject: "mailto:tests@example.org", ...webPush.generateVAPIDKeys() };

/** Run in the page: subscribes, with a sender's key if there is one. */
const SUBSCRIBE = `
  const registration = await navigator.serviceWorker.register("/worker.js");
  await navigator.serviceWorker.ready;
  const key = arguments[0];
  const options = { userVisibleOnly: true, ...(key && { applicationServerKey: key }) };
  return (await registration.pushManager.subscribe(options)).toJSON();
`;

describeInFirefox("Firefox", () => {
  const firefox = new Firefox();
  const site = new Site();
  let device: Device;
  let url: string;
  let subscription: any;

  const push = (text: string | null, options: object = {}): Promise<Answer> => {
    const details = webPush.generateRequestDetails(subscription, text, { TTL: 60, vapidDetails, ...options });
    const { origin, pathname } = new URL(details.endpoint);
    const headers = Object.fromEntries(Object.entries(details.headers).map(([name, value]) => [name, `${value}`]));
    return call(new URL(origin), "POST", pathname, { headers, body: details.body ?? "" });
  };

  beforeAll(async () => {
    await relay.start();
    await site.start();
    device = await relay.device("laptop");
    url = (await device.request("POST", "/v1/devices/laptop/push")).is(200).push_url;
    await firefox.start(url);
    await firefox.navigate(site.url);
  }, 120_000);

  afterAll(async () => {
    await firefox.stop();
    site.stop();
    await relay.stop();
  }, 30_000);

  test("it subscribes, and an encrypted push reaches its service worker", async () => {
    subscription = await firefox.run(SUBSCRIBE, vapidDetails.publicKey);
    expect(subscription.endpoint).toMatch(new RegExp(`^${relay.url.origin}/wpush/`));
    expect((await push("it rings")).status).toBe(201);
    expect(await site.pushes(1)).toEqual(["it rings"]);
    (await push(null)).is(201);
    expect((await site.pushes(2))[1]).toBe("(empty)");
    (await push("stolen", { vapidDetails: undefined })).is(401);
  });

  test("while it is idle it costs nothing, although it pings", async () => {
    const status = async () => (await device.status()).is(200);
    const before = await until("its acknowledgements", status, ({ held, in_flight }) => held + in_flight === 0);
    const counts = await still(relay);
    await sleep(5_000);
    expect(await meter(relay)).toEqual(counts);
    expect((await status()).last_seen_at).toBeGreaterThan(before.last_seen_at);
  });

  test("with the page closed, pushes in both encodings arrive", async () => {
    await firefox.navigate("about:blank");
    (await push("no page is open")).is(201);
    (await push("the older way", { contentEncoding: "aesgcm" })).is(201);
    expect((await site.pushes(4)).slice(2).sort()).toEqual(["no page is open", "the older way"]);
  });

  test("its acknowledgement reaches the sender, and what it has acknowledged is not held", async () => {
    const taken = await push("with a receipt", { headers: { Prefer: "respond-async" } });
    expect(taken.status).toBe(202);
    const { pathname } = new URL(taken.headers.get("location")!);
    expect((await relay.request("GET", pathname, { headers: { Prefer: "wait=20" } })).status).toBe(204);
    await site.pushes(5);
    expect((await device.request("GET", "/v1/devices/laptop/inbox")).is(200).messages).toEqual([]);
  });

  test("after a night away it gets what was held, and not what has expired or was replaced", async () => {
    await firefox.quit();
    await until("it to be gone", () => device.status().then((answer) => answer.is(200).online), (online) => !online);
    (await push("now or never", { TTL: 0 })).is(201);
    (await push("expired", { TTL: 1 })).is(201);
    (await push("replaced", { topic: "news" })).is(201);
    for (const text of ["first", "second"]) (await push(text)).is(201);
    (await push("latest", { topic: "news" })).is(201);
    await relay.kill();
    await sleep(1_500);
    await relay.start();
    await firefox.start(url);
    // Firefox decrypts several at a time.
    expect((await site.pushes(8)).slice(5).sort()).toEqual(["first", "latest", "second"]);
  }, 120_000);

  test("a subscription that ends in the page is gone, and so is one that the operator removes", async () => {
    await firefox.navigate(site.url);
    const registration = "const registration = await navigator.serviceWorker.ready;";
    await firefox.run(`${registration} await (await registration.pushManager.getSubscription()).unsubscribe();`);
    const status = async () => (await push("late")).status;
    await until("the endpoint to be gone", status, (code) => code === 410);

    subscription = await firefox.run(SUBSCRIBE, vapidDetails.publicKey);
    (await push("again")).is(201);
    await site.pushes(9);
    (await device.request("DELETE", "/v1/devices/laptop/channels")).is(204);
    (await push("late")).is(410);
    await site.changed();
  });

  test("subscribed without a sender's key, it takes a push that nobody has signed", async () => {
    subscription = await firefox.run(SUBSCRIBE, null);
    (await push("unsigned", { vapidDetails: undefined })).is(201);
    expect((await site.pushes(10))[9]).toBe("unsigned");
  });
});
