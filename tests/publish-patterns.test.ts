// The patterns in a token's `publish`: where its bearer may publish to.

import { describe, expect, test } from "vitest";

import { fresh, useRelay, type Target } from "./harness/index.ts";

const relay = useRelay();
const suffix = fresh("x");

// Names share a suffix of their own, so that each table row can be read as in the documentation.
const tag = (name: string): Target => ({ tag: `${name}.${suffix}` });
const device = (name: string): Target => ({ device: `${name}.${suffix}` });

const TABLE: [publish: string[] | undefined, to: Target, allowed: boolean][] = [
  [undefined, tag("kitchen"), true],
  [undefined, device("camera-1"), true],
  [[], tag("kitchen"), false],
  [[], device("camera-1"), false],
  [["*"], tag("kitchen"), true],
  [["*"], device("camera-1"), false],
  [["@*"], device("camera-1"), true],
  [["@*"], tag("kitchen"), false],
  [["*", "@*"], tag("kitchen"), true],
  [["*", "@*"], device("camera-1"), true],
  [[`kitchen.${suffix}`], tag("kitchen"), true],
  [[`kitchen.${suffix}`], tag("kitchenette"), false],
  [[`kitchen.${suffix}`], device("kitchen"), false],
  [["kitchen"], tag("kitchen"), false],
  [["kitchen.*"], tag("kitchen"), true],
  [["kitchen.*"], tag("kitchenette"), false],
  [["kitchen*"], tag("kitchenette"), true],
  [["Kitchen*"], tag("kitchen"), false],
  [["hall*", "kitchen*"], tag("kitchen"), true],
  [[`@camera-1.${suffix}`], device("camera-1"), true],
  [[`@camera-1.${suffix}`], device("camera-2"), false],
  [[`@camera-1.${suffix}`], tag("camera-1"), false],
  [["@camera-*"], device("camera-2"), true],
  [["@camera-*"], device("doorbell"), false],
];

describe("publish patterns", () => {
  test.each(TABLE)("%j on %j: allowed %s", async (publish, to, allowed) => {
    const receiver = await relay.device("device" in to ? to.device : undefined);
    if ("tag" in to) await relay.bind(to.tag, receiver);
    const sender = relay.minted(publish === undefined ? {} : { publish });
    const before = (await receiver.status()).is(200).held;

    const answer = await sender.publish(to, {}, { wait: 0 });

    if (allowed) answer.is(202);
    else answer.problem(403, "forbidden");
    expect((await receiver.status()).is(200).held).toBe(before + (allowed ? 1 : 0));
  });

  test("a device reads a tag that it may publish to, and no other", async () => {
    const member = await relay.device();
    const [open, shut] = [await relay.tag(member), await relay.tag(member)];
    const reader = relay.minted({ publish: [open] });
    expect((await reader.request("GET", `/v1/tags/${open}`)).is(200)).toEqual({
      tag: open,
      devices: [{ device: member.name }],
    });
    (await reader.request("GET", `/v1/tags/${shut}`)).problem(403, "forbidden");
  });

  test("a token may not publish to a tag it is not allowed, whether or not the tag exists", async () => {
    const sender = relay.minted({ publish: [] });
    (await sender.publish({ tag: "nobody.here" }, {})).problem(403, "forbidden");
    (await sender.publish({ device: "nobody-here" }, {})).problem(403, "forbidden");
  });

  test("a token that the service minted carries the patterns asked for", async () => {
    const receiver = await relay.device();
    const [open, shut] = [await relay.tag(receiver), await relay.tag(receiver)];
    const sender = await relay.device(undefined, { publish: [open] });
    (await sender.publish({ tag: open }, {}, { wait: 0 })).is(202);
    (await sender.publish({ tag: shut }, {}, { wait: 0 })).problem(403, "forbidden");
  });
});
