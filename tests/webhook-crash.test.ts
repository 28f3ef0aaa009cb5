// SIGKILL at random moments while messages are posted to an address that fails now and then: nothing that was answered
// is lost, what is posted one at a time comes in order, and every request verifies, with the libraries for JavaScript and
// Python, although the secret is replaced after each kill. KILLS sets how often.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { until } from "./harness/index.ts";
import { RelayProcess } from "./harness/process.ts";
import { answers, Receiver } from "./harness/receiver.ts";
import { hasPythonLibrary, verifiedInPython } from "./harness/standard-webhooks.ts";

const KILLS = Number(process.env.KILLS ?? 3);
/** Of so many requests one fails, with a pause of five seconds. */
const FAILS = 60;

const relay = new RelayProcess({ WEBHOOK_ALLOW_HTTP: "true" });
const receiver = new Receiver();
beforeAll(async () => void (await Promise.all([relay.start(), receiver.start()])), 90_000);
afterAll(async () => void (await Promise.all([relay.stop(), receiver.stop()])), 30_000);
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.log(`the relay's last lines:\n${relay.output}`);
});

test(`what was answered is posted in order through ${KILLS} kills`, async () => {
  const [device, sender] = await relay.devices(2);
  const path = `/v1/devices/${device!.name}/webhook`;
  const { secret } = (await relay.admin("PUT", path, { url: receiver.url, timeout: 2 })).is(201);
  receiver.secrets = [secret];
  receiver.behave = (posted, response, request) => {
    const status = receiver.posted.length % FAILS === 0 ? 503 : 200;
    return answers(status, "ok")(posted, response, request);
  };

  let verified = 0;
  const verifyInPython = () => {
    if (!hasPythonLibrary) return;
    const further = receiver.posted.slice(verified);
    verified += further.length;
    expect(verifiedInPython(further, receiver.secrets)).toEqual(further.map(() => true));
  };

  const answered: string[] = [];
  let stopping = false;
  const publishing = (async () => {
    for (let n = 0; !stopping; n += 1) {
      const options = { key: `n${n}`, wait: n % 3 === 0 ? 2 : 0, ttl: 600 };
      for (;;) {
        const answer = await sender!.publish({ device: device!.name }, { n }, options).catch(() => undefined);
        if (answer && answer.status < 300) {
          answered.push(answer.json.id);
          break;
        }
        await sleep(50);
      }
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    const already = answered.length;
    await until("a publish to be answered", async () => answered.length, (count) => count > already + 5, 30_000);
    await sleep(Math.random() * 1500);
    await relay.kill();
    await relay.start();
    receiver.secrets.push((await relay.admin("POST", `${path}/rotate`)).is(200).secret);
    verifyInPython();
  }
  stopping = true;
  await publishing;

  for (const id of answered) {
    const { deliveries } = await sender!.settled(id, 60);
    expect(deliveries, `message ${id}`).toMatchObject([{ state: "delivered" }]);
  }
  const came = receiver.posted.map(({ body }) => JSON.parse(body.toString()).n as number);
  const first = came.filter((n, place) => came.indexOf(n) === place);
  expect(first, "each, in the order of publishing").toEqual(Array.from(answered, (_, n) => n));
  expect(receiver.posted.filter(({ verifiedBy }) => verifiedBy.length === 0)).toEqual([]);
  verifyInPython();
  const ids = new Map<number, Set<string>>();
  for (const { id, body } of receiver.posted) {
    const { n } = JSON.parse(body.toString());
    ids.set(n, (ids.get(n) ?? new Set()).add(id));
  }
  expect([...ids.values()].filter(({ size }) => size !== 1), "messages under two ids").toEqual([]);
}, 120_000 + 20_000 * KILLS);
