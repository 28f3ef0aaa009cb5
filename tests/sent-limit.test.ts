// What is kept of the messages of one sender has a limit, MAX_SENT_BYTES: settled messages leave before their
// retention has passed, and only where none is settled a publish is refused.

import { expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

const MAX_SENT_BYTES = 500_000;
const relay = useRelay({ vars: { MAX_SENT_BYTES, PUBLISH_BURST: 10_000 } });

/** A reply of the greatest length. */
const REPLY = "r".repeat(4_000);
test("the oldest settled messages leave, and the list says up to when", async () => {
  const [sender, receiver, away] = await relay.devices(3);
  const open = await sender!.send({ device: away!.name }, "it is not settled");
  (await receiver!.connect()).answer(() => REPLY);
  const sent: { id: string; accepted_at: number }[] = [];
  const list = async () => (await sender!.request("GET", "/v1/messages?limit=1")).is(200);
  // The size is looked at once a second at most.
  const more = async () => {
    for (let n = 0; n < 20; n++) sent.push((await sender!.publish({ device: receiver!.name }, n, { wait: 10 })).is(200));
    return (await list()).truncated_before;
  };
  await until("messages that have left", more, (before) => before !== undefined);
  const { truncated_before } = await list();
  const left = sent.filter(({ accepted_at }) => accepted_at <= truncated_before);
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThan(sent.length);
  for (const { id } of [left[0]!, left.at(-1)!]) (await sender!.trace(id)).problem(404, "unknown_message");
  (await sender!.trace(sent[left.length]!.id)).is(200);
  (await sender!.trace(sent.at(-1)!.id)).is(200);
  expect((await sender!.trace(open)).is(200).summary, "what is not settled stays").toEqual({ held: 1 });
});

test("a publish is refused where nothing is settled, and changes nothing", async () => {
  const [sender, ...away] = await relay.devices(20);
  const tag = await relay.tag(...away);
  const before = async () => (await away[0]!.status()).is(200).held;
  let answer = await sender!.publish({ tag }, "x", { wait: 0 });
  for (let n = 0; n < 2_000 && answer.status === 202; n++) answer = await sender!.publish({ tag }, "x", { wait: 0 });
  answer.problem(429, "outbox_full");
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  const held = await before();
  (await sender!.publish({ tag }, "x", { wait: 0 })).problem(429, "outbox_full");
  expect(await before()).toBe(held);
});
