// A device binds itself to the tags that its token's `tags` claim allows, and to no others.

import { describe, expect, test } from "vitest";

import { fresh, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();
const MOST = 100;

const binding = (tag: string, device: Device) => `/v1/tags/${tag}/devices/${device.name}`;
const join = (device: Device, tag: string) => device.request("PUT", binding(tag, device));
const leave = (device: Device, tag: string) => device.request("DELETE", binding(tag, device));
const tagsOf = async (device: Device): Promise<string[]> => (await device.status()).is(200).tags;

describe.concurrent("a device whose token has tags", () => {
  test("joins and leaves those that match, and gets what is published to them meanwhile", async () => {
    const room = fresh("room");
    const sender = await relay.device();
    const phone = await relay.device(undefined, { publish: [], tags: [`${room}.*`] });
    const tag = `${room}.kitchen`;
    (await sender.publish({ tag }, {})).problem(404, "unknown_tag");
    for (let twice = 0; twice < 2; twice++) (await join(phone, tag)).is(204);
    expect(await tagsOf(phone)).toEqual([tag]);
    await sender.send({ tag }, "joined");
    expect((await phone.inbox()).map(({ payload }) => payload)).toEqual(["joined"]);
    for (let twice = 0; twice < 2; twice++) (await leave(phone, tag)).is(204);
    expect(await tagsOf(phone)).toEqual([]);
    (await sender.publish({ tag }, {})).problem(404, "unknown_tag");
  });

  test("changes no other tag, and no other device", async () => {
    const [room, other] = [fresh("room"), await relay.device()];
    const phone = await relay.device(undefined, { tags: [room] });
    const foreign = await relay.tag(phone, other);
    await relay.bind(room, other);
    for (const method of ["PUT", "DELETE"]) {
      expect((await phone.request(method, binding(foreign, phone))).problem(403, "forbidden").detail).toContain("`tags`");
      (await phone.request(method, binding(room, other))).problem(403, "forbidden");
    }
    expect(await tagsOf(phone)).toEqual([foreign]);
    expect((await tagsOf(other)).sort()).toEqual([room, foreign].sort());
  });

  test("is registered by joining, if its token was minted elsewhere", async () => {
    const tag = fresh("room");
    const phone = relay.minted({ tags: [tag] });
    (await join(phone, tag)).is(204);
    expect((await relay.admin("GET", `/v1/devices/${phone.name}`)).is(200).tags).toEqual([tag]);
  });

  test("joins none any more once its token is revoked", async () => {
    const tag = fresh("room");
    const phone = await relay.device(undefined, { tags: ["*"] });
    (await relay.admin("DELETE", `/v1/devices/${phone.name}/tokens`)).is(204);
    (await join(phone, tag)).problem(401, "unauthorized");
    (await relay.admin("GET", `/v1/tags/${tag}`)).problem(404, "unknown_tag");
  });
});

test("a device with 100 tags joins no further one, but may repeat and leave; the operator may bind it", async () => {
  const room = fresh("room");
  const phone = await relay.device(undefined, { tags: ["*"] });
  const tag = (n: number) => `${room}.${n}`;
  // The first half is the operator's.
  for (let n = 0; n < MOST - 1; n++) {
    if (n < MOST / 2) await relay.bind(tag(n), phone);
    else (await join(phone, tag(n))).is(204);
  }
  const last = await Promise.all([join(phone, tag(MOST - 1)), join(phone, tag(MOST))]);
  expect(last.map(({ status }) => status).sort(), "of two at once, one is too many").toEqual([204, 422]);
  const refused = last.find(({ status }) => status === 422)!.problem(422, "too_many_tags");
  expect(refused.detail).toContain(`${MOST}`);

  (await join(phone, tag(0))).is(204);
  (await join(phone, tag(MOST + 1))).problem(422, "too_many_tags");
  expect(await tagsOf(phone)).toHaveLength(MOST);
  await relay.bind(tag(MOST + 2), phone);
  expect(await tagsOf(phone)).toHaveLength(MOST + 1);
  (await join(phone, tag(MOST + 3))).problem(422, "too_many_tags");
  for (const n of [0, 1]) (await leave(phone, tag(n))).is(204);
  (await join(phone, tag(MOST + 3))).is(204);
}, 60_000);
